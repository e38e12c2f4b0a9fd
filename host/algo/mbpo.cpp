// Janner et al. 2019, arXiv:1906.08253, algorithm 2, in the step order of jannerm/mbpo.
#include "host/algo/mbpo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"
#include "host/schedule/rollout_schedule.h"
#include "host/tune/autombpo/hyper_mdp.h"
#include "profiling/nvtx.h"

namespace mbrl {
namespace {

// real actions on which the change of the policy is measured, as many as the reference takes
constexpr int kBehaviourRows = 5000;

// metrics of the model, in the order of declaration behind the learner's own
enum ModelMetric {
  kModelLoss,
  kModelValidationLoss,
  kModelEpochs,
  kModelSteps,
  kMaxLogvar,
  kMinLogvar,
  kRolloutLength,
  kModelReplaySize,
  kRolloutTerminated
};

}  // namespace

Mbpo::Mbpo(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index)
    : SacLearner(config, stream, std::move(hooks), learner_index),
      model_(config.model.ensemble_size, layout_, config.model.hidden_size,
             config.model.num_hidden_layers, stream.memory()),
      trainer_(stream, config.model, model_, seed(), learner_index, hooks_.gemm.ensemble),
      imagined_(stream, layout_,
                model_replay_capacity(config, rollout_length_at(config.rollout.schedule, 0)),
                model_replay_capacity(config, max_rollout_length(config)), "the model replay"),
      rollout_workspace_(stream, sac_.actor, model_, config.rollout.batch_size),
      first_metric_(static_cast<int>(metrics_.names().size())) {
  init_ensemble(model_, seed(), learner_, config.model.init_max_logvar,
                config.model.init_min_logvar);
  for (const char* name :
       {"model_loss", "model_validation_loss", "model_epochs", "model_steps", "max_logvar",
        "min_logvar", "rollout_length", "model_replay_size", "rollout_terminated"})
    metrics_.declare(name);
  if (!config.controller.file.empty())
    behaviour_ = std::make_unique<BehaviourLog>(stream_, sac_.actor, kBehaviourRows);
}

bool Mbpo::step() {
  if (exploring()) {
    collect();
    return true;
  }

  // refit the ensemble, branch short imagined rollouts from real states
  const bool fit = fit_due();
  if (fit && !fit_model()) return false;
  // a decision holds for one step; whoever takes it has the config's interval no longer count
  if (values_.fit_model) values_.fit_model = false;
  const int interval = config_.rollout.interval;
  if (interval == 0 ? fit : train_steps() % config_.loop.epoch_length % interval == 0) imagine();

  // one real step
  collect();

  // improve the policy on a mix of real and imagined rows
  const double real_ratio = values_.real_ratio.value_or(config_.loop.real_ratio);
  warn_without_real_rows(real_ratio);
  const double critic_loss =
      update_policy(values_.updates_per_step.value_or(config_.sac.updates_per_step),
                    imagined_.view(), real_ratio);
  if (!std::isnan(critic_loss)) {
    critic_loss_sum_ += critic_loss;
    ++critic_loss_count_;
  }
  return true;
}

// legal, but rarely meant; once, as a schedule may stay there
void Mbpo::warn_without_real_rows(double real_ratio) {
  if (warned_ || static_cast<int>(config_.sac.batch_size * real_ratio) > 0) return;
  warned_ = true;
  hooks_.warn(
      fmt::format("a real ratio of {:.4g} is less than one of the {} rows of a batch: "
                  "policy batches hold imagined rows only.",
                  real_ratio, config_.sac.batch_size));
}

bool Mbpo::fit_due() const {
  if (num_fits_ == 0) return true;
  const std::int64_t step_in_epoch = train_steps() % config_.loop.epoch_length;
  return values_.fit_model.value_or(step_in_epoch % config_.loop.model_train_interval == 0);
}

ScheduleValues Mbpo::schedule() const {
  return {.real_ratio = values_.real_ratio.value_or(config_.loop.real_ratio),
          .updates_per_step = values_.updates_per_step.value_or(config_.sac.updates_per_step),
          .rollout_length =
              values_.rollout_length.value_or(rollout_length_at(config_.rollout.schedule, epoch())),
          .fit_model = fit_due()};
}

double Mbpo::take_critic_loss() {
  const double mean = critic_loss_sum_ / static_cast<double>(critic_loss_count_);
  critic_loss_sum_ = 0.0;
  critic_loss_count_ = 0;
  return mean;
}

void Mbpo::on_action(const float* observation, const float* action, bool random) {
  if (behaviour_ != nullptr) behaviour_->add(stream_, sac_.actor, observation, action, random);
}

bool Mbpo::fit_model() {
  hooks_.on_stage("model_fit");
  const StageRange range("model_fit", env_steps());
  const FitReport report = trainer_.fit(
      stream_, model_, real_.view(), static_cast<std::uint64_t>(num_fits_), hooks_.stop_requested);
  if (report.stopped) return false;
  ++num_fits_;
  hooks_.log(report.summary());
  validation_loss_ = report.validation_loss;
  metrics_.add(first_metric_ + kModelLoss, report.train_loss);
  metrics_.add(first_metric_ + kModelValidationLoss, report.validation_loss);
  metrics_.add(first_metric_ + kModelEpochs, report.epochs);
  metrics_.add(first_metric_ + kModelSteps, static_cast<double>(report.steps));
  metrics_.add(first_metric_ + kMaxLogvar, report.mean_max_logvar);
  metrics_.add(first_metric_ + kMinLogvar, report.mean_min_logvar);
  return true;
}

void Mbpo::imagine() {
  hooks_.on_stage("rollout");
  const StageRange range("rollout", env_steps());
  rollout_length_ =
      values_.rollout_length.value_or(rollout_length_at(config_.rollout.schedule, epoch()));
  ++num_rollouts_;
  imagined_.set_capacity(model_replay_capacity(config_, rollout_length_));
  const RolloutResult result = rollout(stream_, sac_.actor, model_, real_.view(), imagined_.ring(),
                                       {.num_rows = config_.rollout.batch_size,
                                        .length = rollout_length_,
                                        .task = env_spec().task,
                                        .end_bounds = env_spec().end_bounds,
                                        .seed = seed(),
                                        .learner = learner_,
                                        .rollout_index = static_cast<std::uint64_t>(num_rollouts_)},
                                       rollout_workspace_);
  imagined_.commit(result.num_written);
  if (!result.finite)
    throw DivergedError(
        fmt::format("rollout: the model predicted a value that is not finite, after fit {}. Lower "
                    "model.learning_rate or rollout.schedule's lengths.",
                    num_fits_));
  metrics_.add(first_metric_ + kRolloutTerminated,
               static_cast<double>(result.num_terminated) / config_.rollout.batch_size);
}

void Mbpo::set_metrics(Metrics& metrics) {
  SacLearner::set_metrics(metrics);
  metrics.set(first_metric_ + kRolloutLength, rollout_length_);
  metrics.set(first_metric_ + kModelReplaySize, static_cast<double>(imagined_.size()));
}

nlohmann::json Mbpo::state() {
  nlohmann::json s = SacLearner::state();
  s["model"] = {{"num_steps", model_.num_steps},
                {"elites", model_.elites},
                {"num_fits", num_fits_},
                {"num_rollouts", num_rollouts_},
                {"warned", warned_},
                {"rollout_length", rollout_length_}};
  s["model_replay"] = imagined_.state();
  if (behaviour_ != nullptr) {
    s["schedule"] = {{"validation_loss", validation_loss_},
                     {"critic_loss_sum", critic_loss_sum_},
                     {"critic_loss_count", critic_loss_count_},
                     {"behaviour", behaviour_->state()}};
    // values and what is empty among them
    nlohmann::json& now = s["schedule"]["values"] = nlohmann::json::object();
    if (values_.real_ratio) now["real_ratio"] = *values_.real_ratio;
    if (values_.updates_per_step) now["updates_per_step"] = *values_.updates_per_step;
    if (values_.rollout_length) now["rollout_length"] = *values_.rollout_length;
    if (values_.fit_model) now["fit_model"] = *values_.fit_model;
  }
  return s;
}

void Mbpo::set_state(const nlohmann::json& s) {
  SacLearner::set_state(s);
  const nlohmann::json& m = s.at("model");
  model_.num_steps = m.at("num_steps");
  model_.elites = m.at("elites").get<std::vector<int>>();
  num_fits_ = m.at("num_fits");
  num_rollouts_ = m.at("num_rollouts");
  warned_ = m.at("warned");
  rollout_length_ = m.at("rollout_length");
  imagined_.set_state(s.at("model_replay"));
  if (behaviour_ == nullptr) return;
  const nlohmann::json& schedule = s.at("schedule");
  // JSON has no NaN: before the first fit it is null
  if (!schedule.at("validation_loss").is_null()) validation_loss_ = schedule.at("validation_loss");
  critic_loss_sum_ = schedule.at("critic_loss_sum");
  critic_loss_count_ = schedule.at("critic_loss_count");
  behaviour_->set_state(schedule.at("behaviour"));
  values_ = {};
  const nlohmann::json& now = schedule.at("values");
  if (now.contains("real_ratio")) values_.real_ratio = now.at("real_ratio").get<double>();
  if (now.contains("updates_per_step"))
    values_.updates_per_step = now.at("updates_per_step").get<int>();
  if (now.contains("rollout_length")) values_.rollout_length = now.at("rollout_length").get<int>();
  if (now.contains("fit_model")) values_.fit_model = now.at("fit_model").get<bool>();
}

std::vector<TensorRef> Mbpo::weight_tensors() {
  std::vector<TensorRef> tensors = SacLearner::weight_tensors();
  append_tensors(tensors, "model", model_.members);
  append_tensors(tensors, "model.logvar_bounds", model_.logvar_bounds);
  tensors.push_back(tensor_ref("model.input_mean", model_.input_mean));
  tensors.push_back(tensor_ref("model.input_inv_std", model_.input_inv_std));
  return tensors;
}

std::vector<TensorRef> Mbpo::replay_tensors() {
  std::vector<TensorRef> tensors = SacLearner::replay_tensors();
  tensors.push_back(imagined_.tensor("imagined"));
  if (behaviour_ != nullptr)
    for (const TensorRef& tensor : behaviour_->tensors()) tensors.push_back(tensor);
  return tensors;
}

namespace algorithms {

Algorithm mbpo_algorithm() {
  return {.name = "mbpo",
          .text = "model-based policy optimization: SAC on short rollouts of a learned ensemble",
          .needs_model = true,
          .reads = {"model", "rollout", "sac", "loop", "controller"},
          .make = [](const Config& config, Stream& stream, Hooks hooks,
                     std::uint32_t learner_index) -> std::unique_ptr<Learner> {
            return std::make_unique<Mbpo>(config, stream, std::move(hooks), learner_index);
          },
          .run = nullptr,
          .check =
              [](const Config& config, const Require& require) {
                check_dynamics(config, require);
                check_imagination(config, require);
                check_soft_actor_critic(config, require);
                check_replay(config, require);
                // a controller's own rollouts divide an epoch, so there is always room for one
                if (config.controller.file.empty()) return check_model_replay(config, require);
                check_controller(config, require);
              },
          .memory =
              [](const Config& config, const EnvSpec& env, bool on_gpu) {
                return real_replay_bytes(config, env, on_gpu) +
                       dynamics_bytes(config, env, on_gpu) + imagination_bytes(config, env);
              }};
}

}  // namespace algorithms
}  // namespace mbrl

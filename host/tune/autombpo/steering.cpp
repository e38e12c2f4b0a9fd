#include "host/tune/autombpo/steering.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "host/algo/learner.h"
#include "host/algo/parts/measurements.h"
#include "host/io/output_file.h"

namespace mbrl {

Steering::Steering(const Config& config, std::unique_ptr<Decider> decider,
                   std::vector<double> baseline, int learning_group)
    : config_(config),
      decider_(std::move(decider)),
      baseline_(std::move(baseline)),
      learning_group_(learning_group),
      tuned_(steered_hyperparameters(config)),
      values_(start_values(config)) {}

bool Steering::is_applied(const std::string& head) const {
  const auto& names = config_.controller.apply;
  return std::find(names.begin(), names.end(), head) != names.end();
}

bool Steering::may_change_length(const Learner& learner) const {
  return config_.autombpo.length_decisions == "every" ||
         learner.train_steps() % config_.loop.epoch_length < config_.controller.interval;
}

void Steering::open(const std::filesystem::path& folder, std::int64_t resume_env_steps) {
  folder_ = folder;
  // what was measured, in natural units; what holds from here on; what was chosen
  std::vector<std::string> columns{"env_steps",   "samples",       "model_loss",
                                   "critic_loss", "policy_change", "last_return"};
  for (const TunedHyperparameter& tuned : tuned_) columns.push_back(tuned.column);
  for (int g = 0; g < decider_->num_groups(); ++g)
    for (const std::string& head : decider_->heads(g)) {
      columns.push_back("option_" + head);
      columns.push_back("log_prob_" + head);
    }
  // a checkpoint may lie on either side of a decision at its step: the last one that counts decides
  table_ = std::make_unique<CsvWriter>(folder / table(), columns,
                                       resume_env_steps < 0 ? -1 : decided_at_);
}

bool Steering::before_step(Learner& learner) {
  Measurements* measured = learner.measurements();
  if (measured == nullptr)
    throw ConfigError(fmt::format("algorithm {} has no model, so no controller can steer it.",
                                  learner.config().algorithm));
  if (learner.exploring()) return true;
  if (learner.train_steps() % config_.controller.interval != 0 ||
      learner.env_steps() == decided_at_)
    return true;
  if (num_decisions_ == 0) {
    // the first state needs a fitted model and a return
    if (!measured->ensure_fitted()) return false;
    last_return_ = learner.evaluate(config_.eval.num_episodes).mean_return();
    decider_->on_evaluation(last_return_);
  }
  decide(learner, *measured);
  decided_at_ = learner.env_steps();
  ++num_decisions_;
  return true;
}

void Steering::decide(Learner& learner, Measurements& measured) {
  std::vector<Hyperparameter> all = learner.hyperparameters();
  const auto hyperparameter = [&](const TunedHyperparameter& tuned) -> Hyperparameter& {
    return find_hyperparameter(all, tuned.key);
  };
  // heads that are not applied follow the config, which may change with time
  for (const TunedHyperparameter& tuned : tuned_)
    if (tuned.change != Change::kToggle && !is_applied(tuned.name))
      values_.at(tuned.name) = hyperparameter(tuned).get();

  const double critic_loss = measured.take_critic_loss();
  const HyperMeasurements m{
      .samples = static_cast<double>(learner.train_steps()) /
                 (config_.loop.num_env_steps - config_.loop.num_exploration_steps),
      .model_loss = measured.validation_loss(),
      .critic_loss = std::isnan(critic_loss) ? 0.0 : critic_loss,
      .policy_change = measured.policy_change(),
      .last_return = last_return_};

  // all groups see the values as they were, then each head changes its own
  std::vector<HyperDecision> decisions;
  for (int g = 0; g < decider_->num_groups(); ++g)
    decisions.push_back(decider_->decide(g, hyper_state(m, values_, decider_->visible(g), config_),
                                         num_decisions_));
  for (int g = 0; g < decider_->num_groups(); ++g) {
    for (std::size_t h = 0; h < decider_->heads(g).size(); ++h) {
      const std::string& head = decider_->heads(g)[h];
      if (!is_applied(head) || (head == "rollout_length" && !may_change_length(learner))) continue;
      values_ = after_decision(values_, head, static_cast<int>(decisions[g].options[h]), config_);
      hyperparameter(find_tuned(tuned_, head)).set(values_.at(head));
    }
  }

  const auto& learning = decider_->heads(learning_group_);
  const bool pays =
      std::find(learning.begin(), learning.end(), "model") != learning.end() && is_applied("model");
  const bool fits = values_.at("model") != 0.0;
  trajectory_.decisions.push_back(decisions[learning_group_]);
  trajectory_.rewards.push_back(pays ? training_reward(fits, config_.controller) : 0.0);

  std::vector<double> row{static_cast<double>(learner.env_steps()),
                          m.samples,
                          m.model_loss,
                          m.critic_loss,
                          m.policy_change,
                          m.last_return};
  for (const TunedHyperparameter& tuned : tuned_) row.push_back(hyperparameter(tuned).get());
  for (const HyperDecision& d : decisions)
    for (std::size_t h = 0; h < d.options.size(); ++h) {
      row.push_back(d.options[h]);
      row.push_back(d.log_probs[h]);
    }
  table_->append(row);
}

void Steering::on_evaluation(const Learner&, double mean_return) {
  last_return_ = mean_return;
  decider_->on_evaluation(mean_return);
  if (trajectory_.rewards.empty()) return;
  const double baseline =
      baseline_.empty() ? 0.0 : baseline_[std::min(num_evaluations_, baseline_.size() - 1)];
  ++num_evaluations_;
  trajectory_.rewards.back() += evaluation_reward(mean_return, baseline, config_.controller);
}

void Steering::on_finished() {
  write_file_atomically(folder_ / "trajectory.json", trajectory_to_json(trajectory_).dump() + "\n");
}

nlohmann::json Steering::state() const {
  nlohmann::json state = values_to_json(tuned_, values_);
  state["decided_at"] = decided_at_;
  state["num_decisions"] = num_decisions_;
  state["num_evaluations"] = num_evaluations_;
  state["last_return"] = last_return_;
  state["decider"] = decider_->state();
  state["trajectory"] = trajectory_to_json(trajectory_);
  return state;
}

void Steering::set_state(const nlohmann::json& s) {
  values_ = values_from_json(tuned_, s);
  decided_at_ = s.at("decided_at");
  num_decisions_ = s.at("num_decisions");
  num_evaluations_ = s.at("num_evaluations");
  last_return_ = s.at("last_return");
  decider_->set_state(s.at("decider"));
  trajectory_ = trajectory_from_json(s.at("trajectory"));
}

nlohmann::json trajectory_to_json(const HyperTrajectory& trajectory) {
  nlohmann::json decisions = nlohmann::json::array();
  for (const HyperDecision& d : trajectory.decisions)
    decisions.push_back({{"state", d.state},
                         {"options", d.options},
                         {"log_probs", d.log_probs},
                         {"value", d.value}});
  return {{"decisions", decisions}, {"rewards", trajectory.rewards}};
}

HyperTrajectory trajectory_from_json(const nlohmann::json& json) {
  HyperTrajectory trajectory;
  for (const nlohmann::json& d : json.at("decisions"))
    trajectory.decisions.push_back({d.at("state").get<std::vector<float>>(),
                                    d.at("options").get<std::vector<float>>(),
                                    d.at("log_probs").get<std::vector<float>>(), d.at("value")});
  trajectory.rewards = json.at("rewards").get<std::vector<double>>();
  return trajectory;
}

}  // namespace mbrl

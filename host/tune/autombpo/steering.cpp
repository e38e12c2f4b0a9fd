#include "host/tune/autombpo/steering.h"

#include <algorithm>

#include "host/algo/mbpo.h"
#include "host/io/output_file.h"

namespace mbrl {

Steering::Steering(const Config& config, std::unique_ptr<Decider> decider,
                   std::vector<double> baseline, int learning_group)
    : config_(config),
      decider_(std::move(decider)),
      baseline_(std::move(baseline)),
      learning_group_(learning_group),
      values_(start_values(config)) {}

bool Steering::is_applied(Head head) const {
  const auto& names = config_.controller.apply;
  return std::find(names.begin(), names.end(), head_name(head)) != names.end();
}

void Steering::open(const std::filesystem::path& folder, std::int64_t resume_env_steps) {
  folder_ = folder;
  // what was measured, in natural units; what holds from here on; what was chosen
  std::vector<std::string> columns{"env_steps",        "samples",       "model_loss", "critic_loss",
                                   "policy_change",    "last_return",   "real_ratio", "fit_model",
                                   "updates_per_step", "rollout_length"};
  for (int g = 0; g < decider_->num_groups(); ++g)
    for (const Head head : decider_->heads(g)) {
      const std::string& name = head_name(head);
      columns.push_back("option_" + name);
      columns.push_back("log_prob_" + name);
    }
  // a checkpoint may lie on either side of a decision at its step: the last one that counts decides
  table_ = std::make_unique<CsvWriter>(folder / "decisions.csv", columns,
                                       resume_env_steps < 0 ? -1 : decided_at_);
}

bool Steering::before_step(Learner& learner) {
  auto& mbpo = dynamic_cast<Mbpo&>(learner);
  if (mbpo.exploring()) return true;
  if (mbpo.train_steps() % config_.controller.interval != 0 || mbpo.env_steps() == decided_at_)
    return true;
  if (num_decisions_ == 0) {
    // the first state needs a fitted model and a return
    if (!mbpo.ensure_fitted()) return false;
    last_return_ = mbpo.evaluate(config_.eval.num_episodes).mean_return();
    decider_->on_evaluation(last_return_);
  }
  decide(mbpo);
  decided_at_ = mbpo.env_steps();
  ++num_decisions_;
  return true;
}

void Steering::decide(Mbpo& mbpo) {
  // heads that are not applied follow the config, which may change with time
  const ScheduleValues before = mbpo.schedule();
  if (!is_applied(Head::kRealRatio)) values_.real_ratio = *before.real_ratio;
  if (!is_applied(Head::kUpdates)) values_.updates_per_step = *before.updates_per_step;
  if (!is_applied(Head::kRolloutLength)) values_.rollout_length = *before.rollout_length;

  const double critic_loss = mbpo.take_critic_loss();
  const HyperMeasurements m{
      .samples = static_cast<double>(mbpo.train_steps()) /
                 (config_.loop.num_env_steps - config_.loop.num_exploration_steps),
      .model_loss = mbpo.validation_loss(),
      .critic_loss = std::isnan(critic_loss) ? 0.0 : critic_loss,
      .policy_change = mbpo.policy_change(),
      .last_return = last_return_};

  // all groups see the values as they were, then each head changes its own
  std::vector<HyperDecision> decisions;
  for (int g = 0; g < decider_->num_groups(); ++g)
    decisions.push_back(
        decider_->decide(g, hyper_state(m, values_, decider_->seen(g), config_), num_decisions_));
  ScheduleValues set;
  for (int g = 0; g < decider_->num_groups(); ++g) {
    for (std::size_t h = 0; h < decider_->heads(g).size(); ++h) {
      const Head head = decider_->heads(g)[h];
      if (!is_applied(head)) continue;
      values_ = decided(values_, head, static_cast<int>(decisions[g].options[h]), config_);
      if (head == Head::kRealRatio) set.real_ratio = values_.real_ratio;
      if (head == Head::kModel) set.fit_model = values_.fit_model;
      if (head == Head::kUpdates) set.updates_per_step = values_.updates_per_step;
      if (head == Head::kRolloutLength) set.rollout_length = values_.rollout_length;
    }
  }
  mbpo.set_schedule(set);

  const auto& learning = decider_->heads(learning_group_);
  const bool pays = std::find(learning.begin(), learning.end(), Head::kModel) != learning.end() &&
                    is_applied(Head::kModel);
  trajectory_.decisions.push_back(decisions[learning_group_]);
  trajectory_.rewards.push_back(pays ? training_reward(values_.fit_model, config_.controller)
                                     : 0.0);

  const ScheduleValues now = mbpo.schedule();
  std::vector<double> row{static_cast<double>(mbpo.env_steps()),
                          m.samples,
                          m.model_loss,
                          m.critic_loss,
                          m.policy_change,
                          m.last_return,
                          *now.real_ratio,
                          *now.fit_model ? 1.0 : 0.0,
                          static_cast<double>(*now.updates_per_step),
                          static_cast<double>(*now.rollout_length)};
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
  return {{"real_ratio", values_.real_ratio},
          {"fit_model", values_.fit_model},
          {"updates_per_step", values_.updates_per_step},
          {"rollout_length", values_.rollout_length},
          {"decided_at", decided_at_},
          {"num_decisions", num_decisions_},
          {"num_evaluations", num_evaluations_},
          {"last_return", last_return_},
          {"decider", decider_->state()},
          {"trajectory", trajectory_to_json(trajectory_)}};
}

void Steering::set_state(const nlohmann::json& s) {
  values_ = {s.at("real_ratio"), s.at("fit_model"), s.at("updates_per_step"),
             s.at("rollout_length")};
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

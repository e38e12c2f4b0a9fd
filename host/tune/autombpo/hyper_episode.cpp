#include "host/tune/autombpo/hyper_episode.h"

#include <algorithm>

#include "host/io/archive.h"
#include "host/io/json_file.h"

namespace mbrl {

HyperEpisode::HyperEpisode(const Config& config, Decider& decider, std::vector<double> baseline,
                           int learning_group)
    : config_(config),
      decider_(decider),
      baseline_(std::move(baseline)),
      learning_group_(learning_group),
      tuned_(steered_hyperparameters(config)),
      values_(start_values(config)) {}

bool HyperEpisode::is_applied(const std::string& head) const {
  return has_head(config_.controller.apply, head);
}

HyperEpisode::Decision HyperEpisode::decide(const HyperMeasurements& measured,
                                            bool may_change_length) {
  Decision decision;
  for (int g = 0; g < decider_.num_groups(); ++g)
    decision.by_group.push_back(decider_.decide(
        g, hyper_state(measured, values_, decider_.visible(g), config_), num_decisions_));
  for (int g = 0; g < decider_.num_groups(); ++g) {
    for (std::size_t h = 0; h < decider_.heads(g).size(); ++h) {
      const std::string& head = decider_.heads(g)[h];
      if (!is_applied(head) || (head == "rollout_length" && !may_change_length)) continue;
      values_ =
          after_decision(values_, head, static_cast<int>(decision.by_group[g].options[h]), config_);
      decision.heads.push_back(head);
    }
  }

  const bool pays = has_head(decider_.heads(learning_group_), "model") && is_applied("model");
  const bool fits = values_.at("model") != 0.0;
  trajectory_.decisions.push_back(decision.by_group[learning_group_]);
  trajectory_.rewards.push_back(pays ? training_reward(fits, config_.controller) : 0.0);
  ++num_decisions_;
  return decision;
}

void HyperEpisode::on_evaluation(double mean_return) {
  decider_.on_evaluation(mean_return);
  if (trajectory_.rewards.empty()) return;
  const double baseline =
      baseline_.empty() ? 0.0 : baseline_[std::min(num_evaluations_, baseline_.size() - 1)];
  ++num_evaluations_;
  trajectory_.rewards.back() += evaluation_reward(mean_return, baseline, config_.controller);
}

nlohmann::json HyperEpisode::state() const {
  nlohmann::json state = values_to_json(tuned_, values_);
  state["num_decisions"] = num_decisions_;
  state["num_evaluations"] = num_evaluations_;
  state["decider"] = decider_.state();
  state["trajectory"] = trajectory_to_json(trajectory_);
  return state;
}

void HyperEpisode::set_state(const nlohmann::json& s) {
  values_ = values_from_json(tuned_, s);
  num_decisions_ = json_number<std::uint64_t>(s.at("num_decisions"), "num_decisions", 0, kMaxCount);
  num_evaluations_ =
      json_number<std::size_t>(s.at("num_evaluations"), "num_evaluations", 0, kMaxCount);
  decider_.set_state(s.at("decider"));
  trajectory_ = trajectory_from_json(s.at("trajectory"), decider_.heads(learning_group_),
                                     hyper_state_size(decider_.visible(learning_group_), config_));
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

HyperTrajectory trajectory_from_json(const nlohmann::json& json,
                                     const std::vector<std::string>& heads, int state_size) {
  HyperTrajectory trajectory;
  for (const nlohmann::json& d : json.at("decisions"))
    trajectory.decisions.push_back(
        {json_numbers<float>(d.at("state"), "state", static_cast<std::size_t>(state_size)),
         options_from_json(d.at("options"), "options", heads),
         json_numbers<float>(d.at("log_probs"), "log_probs", heads.size()),
         json_number<float>(d.at("value"), "value")});
  trajectory.rewards =
      json_numbers<double>(json.at("rewards"), "rewards", trajectory.decisions.size());
  return trajectory;
}

}  // namespace mbrl

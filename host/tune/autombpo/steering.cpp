#include "host/tune/autombpo/steering.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "host/algo/learner.h"
#include "host/algo/parts/measurements.h"
#include "host/io/archive.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"

namespace mbrl {

Steering::Steering(const Config& config, std::unique_ptr<Decider> decider,
                   std::vector<double> baseline, int learning_group)
    : config_(config),
      decider_(std::move(decider)),
      episode_(config_, *decider_, std::move(baseline), learning_group) {}

void Steering::open(const std::filesystem::path& folder, std::int64_t resume_env_steps) {
  folder_ = folder;
  // what was measured, in natural units; what holds from here on; what was chosen
  std::vector<std::string> columns{"env_steps",   "samples",       "model_loss",
                                   "critic_loss", "policy_change", "last_return"};
  for (const TunedHyperparameter& tuned : episode_.tuned()) columns.push_back(tuned.column);
  for (int g = 0; g < decider_->num_groups(); ++g)
    for (const std::string& head : decider_->heads(g)) {
      columns.push_back("option_" + head);
      columns.push_back("log_prob_" + head);
    }
  // a checkpoint may lie on either side of a decision at its step: the last one that counts decides
  table_ = std::make_unique<CsvWriter>(folder / table(), columns,
                                       resume_env_steps < 0 ? -1 : decided_at_);
}

bool Steering::is_due(const Learner& learner) const {
  return !learner.exploring() && learner.train_steps() % config_.controller.interval == 0 &&
         learner.env_steps() != decided_at_;
}

bool Steering::before_step(Learner& learner) {
  Measurements* measured = learner.measurements();
  if (measured == nullptr)
    throw ConfigError(fmt::format("algorithm {} has no model, so no controller can steer it.",
                                  learner.config().algorithm));
  if (!is_due(learner)) return true;
  if (episode_.num_decisions() == 0) {
    // the first state needs a fitted model and a return
    if (!measured->ensure_fitted()) return false;
    last_return_ = learner.evaluate(config_.eval.num_episodes).mean_return();
    decider_->on_evaluation(last_return_);
  }
  decide(learner, *measured);
  decided_at_ = learner.env_steps();
  return true;
}

void Steering::decide(Learner& learner, Measurements& measured) {
  std::vector<Hyperparameter> all = learner.hyperparameters();
  const auto hyperparameter = [&](const TunedHyperparameter& tuned) -> Hyperparameter& {
    return find_hyperparameter(all, tuned.key);
  };
  // heads that are not applied follow the config, which may change with time
  for (const TunedHyperparameter& tuned : episode_.tuned())
    if (tuned.change != Change::kToggle && !episode_.is_applied(tuned.name))
      episode_.values().at(tuned.name) = hyperparameter(tuned).get();

  const double critic_loss = measured.take_critic_loss();
  const HyperMeasurements m{
      .samples = static_cast<double>(learner.train_steps()) /
                 (config_.loop.num_env_steps - config_.loop.num_exploration_steps),
      .model_loss = measured.validation_loss(),
      .critic_loss = std::isnan(critic_loss) ? 0.0 : critic_loss,
      .policy_change = measured.policy_change(),
      .last_return = last_return_};

  const HyperEpisode::Decision decision =
      episode_.decide(m, may_change_length(learner.train_steps(), config_));
  for (const std::string& head : decision.heads)
    hyperparameter(find_tuned(episode_.tuned(), head)).set(episode_.values().at(head));

  std::vector<double> row{static_cast<double>(learner.env_steps()),
                          m.samples,
                          m.model_loss,
                          m.critic_loss,
                          m.policy_change,
                          m.last_return};
  for (const TunedHyperparameter& tuned : episode_.tuned())
    row.push_back(hyperparameter(tuned).get());
  for (const HyperDecision& d : decision.by_group)
    for (std::size_t h = 0; h < d.options.size(); ++h) {
      row.push_back(d.options[h]);
      row.push_back(d.log_probs[h]);
    }
  table_->append(row);
}

void Steering::on_evaluation(const Learner&, double mean_return) {
  last_return_ = mean_return;
  episode_.on_evaluation(mean_return);
}

void Steering::on_finished() {
  write_file_atomically(folder_ / "trajectory.json",
                        trajectory_to_json(trajectory()).dump() + "\n");
}

nlohmann::json Steering::state() const {
  nlohmann::json state = episode_.state();
  state["decided_at"] = decided_at_;
  state["last_return"] = last_return_;
  return state;
}

void Steering::set_state(const nlohmann::json& s) {
  episode_.set_state(s);
  decided_at_ = json_number<std::int64_t>(s.at("decided_at"), "decided_at", -1, kMaxCount);
  last_return_ = json_number<double>(s.at("last_return"), "last_return");
}

}  // namespace mbrl

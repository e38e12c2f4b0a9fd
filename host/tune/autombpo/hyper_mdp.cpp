#include "host/tune/autombpo/hyper_mdp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/io/json_file.h"
#include "host/schedule/rollout_schedule.h"

namespace mbrl {
namespace {

float in_unit(double x) {
  return std::isnan(x) ? 0.0f : static_cast<float>(std::clamp(x, 0.0, 1.0));
}

}  // namespace

std::vector<TunedHyperparameter> steered_hyperparameters(const Config& config) {
  const double max_updates = config.controller.max_updates_per_step;
  const double max_length = max_rollout_length(config);
  return {
      {"real_ratio", "loop.real_ratio", "real_ratio", {.low = 0.0, .high = 1.0}, Change::kMultiply},
      {"model", "model.fit", "fit_model", {.low = 0.0, .high = 1.0}, Change::kToggle},
      {"updates",
       "sac.updates_per_step",
       "updates_per_step",
       {.low = 1.0, .high = max_updates},
       Change::kAdd},
      {"rollout_length",
       "rollout.length",
       "rollout_length",
       {.low = 1.0, .high = max_length},
       Change::kAdd}};
}

HyperValues start_values(const Config& config) {
  const ControllerConfig& c = config.controller;
  return {{"real_ratio", c.init_real_ratio},
          {"model", 1.0},
          {"updates", std::min(c.init_updates_per_step, c.max_updates_per_step)},
          {"rollout_length", static_cast<int>(config.rollout.schedule[2])}};
}

bool has_head(const std::vector<std::string>& heads, const std::string& head) {
  return std::find(heads.begin(), heads.end(), head) != heads.end();
}

int num_options(const std::string& head) {
  return num_options(find_tuned(steered_hyperparameters({}), head).change);
}

std::vector<float> options_from_json(const nlohmann::json& json, const std::string& name,
                                     const std::vector<std::string>& heads) {
  std::vector<float> options = json_numbers<float>(json, name, heads.size());
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const int last = num_options(heads[h]) - 1;
    if (!(options[h] >= 0.0f && options[h] <= static_cast<float>(last)) ||
        options[h] != std::floor(options[h]))
      throw ValueError(fmt::format("{} has {} for {}; expected an integer from 0 to {}.", name,
                                   options[h], heads[h], last));
  }
  return options;
}

HyperValues after_decision(HyperValues values, const std::string& head, int option,
                           const Config& config) {
  values.at(head) = after_option(find_tuned(steered_hyperparameters(config), head), values.at(head),
                                 option, config.controller.ratio_factor);
  return values;
}

bool may_change_length(std::int64_t train_steps, const Config& config) {
  return config.autombpo.length_decisions == "every" ||
         train_steps % config.loop.epoch_length < config.controller.interval;
}

std::vector<float> hyper_state(const HyperMeasurements& m, const HyperValues& values,
                               const std::vector<std::string>& visible, const Config& config) {
  const ControllerConfig& c = config.controller;
  std::vector<float> state;
  const auto add = [&](const char* name, double value) {
    if (has_head(c.features, name)) state.push_back(in_unit(value));
  };
  add("samples", m.samples);
  add("model_loss", m.model_loss / c.model_loss_scale);
  add("critic_loss", m.critic_loss / c.critic_loss_scale);
  add("policy_change", m.policy_change / c.policy_change_scale);
  add("return", m.last_return / c.return_scale);
  const std::vector<TunedHyperparameter> all = steered_hyperparameters(config);
  for (const std::string& head : visible) {
    const TunedHyperparameter& tuned = find_tuned(all, head);
    if (tuned.change != Change::kToggle) add("values", values.at(head) / tuned.range.high);
  }
  return state;
}

int hyper_state_size(const std::vector<std::string>& visible, const Config& config) {
  return static_cast<int>(hyper_state({}, start_values(config), visible, config).size());
}

double training_reward(bool fit_model, const ControllerConfig& config) {
  return (fit_model ? -0.5 : 0.5) * config.training_penalty;
}

double evaluation_reward(double mean_return, double baseline, const ControllerConfig& config) {
  return (mean_return - baseline) / config.reward_scale;
}

std::vector<float> advantages(const std::vector<double>& rewards) {
  std::vector<float> result(rewards.size());
  double sum = 0.0;
  for (std::size_t t = rewards.size(); t-- > 0;) result[t] = static_cast<float>(sum += rewards[t]);
  return result;
}

void center(std::vector<std::vector<float>>& advantages, const std::string& centering) {
  if (centering == "none") return;
  std::vector<double> sums, counts;  // by decision; one for all if the stage is the span
  const auto span = [&](std::size_t t) { return centering == "decision" ? t : std::size_t{0}; };
  for (const std::vector<float>& episode : advantages)
    for (std::size_t t = 0; t < episode.size(); ++t) {
      const std::size_t needed = span(t) + 1;
      if (sums.size() < needed) sums.resize(needed), counts.resize(needed);
      sums[span(t)] += episode[t];
      ++counts[span(t)];
    }
  for (std::vector<float>& episode : advantages)
    for (std::size_t t = 0; t < episode.size(); ++t)
      episode[t] = static_cast<float>(episode[t] - sums[span(t)] / counts[span(t)]);
}

std::vector<std::vector<std::string>> controller_groups(const ControllerConfig& config) {
  std::vector<std::vector<std::string>> all{{"real_ratio", "model", "updates", "rollout_length"}};
  if (config.stack == "staged") all = {{"real_ratio", "model"}, {"updates"}, {"rollout_length"}};
  std::vector<std::vector<std::string>> groups;
  for (const auto& heads : all) {
    std::vector<std::string> present;
    for (const std::string& head : heads)
      if (has_head(config.heads, head)) present.push_back(head);
    if (!present.empty()) groups.push_back(present);
  }
  return groups;
}

std::vector<std::string> heads_in_turn(const ControllerConfig& config, int group) {
  const std::vector<std::vector<std::string>> groups = controller_groups(config);
  std::vector<std::string> heads;
  for (int g = 0; g <= group; ++g)
    for (const std::string& head : groups[static_cast<std::size_t>(g)])
      if (has_head(config.apply, head)) heads.push_back(head);
  return heads;
}

}  // namespace mbrl

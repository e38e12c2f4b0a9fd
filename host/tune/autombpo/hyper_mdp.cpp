#include "host/tune/autombpo/hyper_mdp.h"

#include <algorithm>
#include <cmath>

#include "host/config/fields.h"
#include "host/schedule/rollout_schedule.h"

namespace mbrl {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

float in_unit(double x) {
  return std::isnan(x) ? 0.0f : static_cast<float>(std::clamp(x, 0.0, 1.0));
}

}  // namespace

const std::vector<std::string>& head_names() { return find_field("controller.heads")->choices; }

const std::string& head_name(Head head) { return head_names()[static_cast<std::size_t>(head)]; }

Head head_of(const std::string& name) {
  const auto& names = head_names();
  return static_cast<Head>(std::find(names.begin(), names.end(), name) - names.begin());
}

int num_options(Head head) { return head == Head::kModel ? 2 : 3; }

const std::vector<std::string>& feature_names() {
  return find_field("controller.features")->choices;
}

HyperValues start_values(const Config& config) {
  return {.real_ratio = config.controller.init_real_ratio,
          .fit_model = true,
          .updates_per_step = std::min(config.controller.init_updates_per_step,
                                       config.controller.max_updates_per_step),
          .rollout_length = static_cast<int>(config.rollout.schedule[2])};
}

HyperValues decided(HyperValues values, Head head, int option, const Config& config) {
  const int change = option - 1;
  switch (head) {
    case Head::kRealRatio:
      values.real_ratio =
          std::min(1.0, values.real_ratio *
                            std::pow(static_cast<double>(config.controller.ratio_factor), change));
      break;
    case Head::kModel:
      values.fit_model = option == 0;
      break;
    case Head::kUpdates:
      values.updates_per_step =
          std::clamp(values.updates_per_step + change, 1, config.controller.max_updates_per_step);
      break;
    case Head::kRolloutLength:
      values.rollout_length =
          std::clamp(values.rollout_length + change, 1, max_rollout_length(config));
      break;
  }
  return values;
}

std::vector<float> hyper_state(const HyperMeasurements& m, const HyperValues& values,
                               const std::vector<Head>& seen, const Config& config) {
  const ControllerConfig& c = config.controller;
  std::vector<float> state;
  const auto add = [&](const char* name, double value) {
    if (contains(c.features, name)) state.push_back(in_unit(value));
  };
  add("samples", m.samples);
  add("model_loss", m.model_loss / c.model_loss_scale);
  add("critic_loss", m.critic_loss / c.critic_loss_scale);
  add("policy_change", m.policy_change / c.policy_change_scale);
  add("return", m.last_return / c.return_scale);
  if (!contains(c.features, "values")) return state;
  for (const Head head : seen) {
    if (head == Head::kRealRatio) state.push_back(in_unit(values.real_ratio));
    if (head == Head::kUpdates)
      state.push_back(
          in_unit(static_cast<double>(values.updates_per_step) / c.max_updates_per_step));
    if (head == Head::kRolloutLength)
      state.push_back(
          in_unit(static_cast<double>(values.rollout_length) / max_rollout_length(config)));
  }
  return state;
}

int hyper_state_size(const std::vector<Head>& seen, const Config& config) {
  return static_cast<int>(hyper_state({}, start_values(config), seen, config).size());
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

std::vector<std::vector<Head>> controller_groups(const ControllerConfig& config) {
  std::vector<std::vector<Head>> all{
      {Head::kRealRatio, Head::kModel, Head::kUpdates, Head::kRolloutLength}};
  if (config.stack == "staged")
    all = {{Head::kRealRatio, Head::kModel}, {Head::kUpdates}, {Head::kRolloutLength}};
  std::vector<std::vector<Head>> groups;
  for (const auto& heads : all) {
    std::vector<Head> present;
    for (const Head head : heads)
      if (contains(config.heads, head_name(head))) present.push_back(head);
    if (!present.empty()) groups.push_back(present);
  }
  return groups;
}

Config steered_config(const Config& config) {
  Config steered = config;
  steered.algorithm = "mbpo";
  steered.rollout.interval = config.controller.rollout_interval;
  steered.rollout.batch_size = config.controller.rollout_batch_size;
  return steered;
}

}  // namespace mbrl

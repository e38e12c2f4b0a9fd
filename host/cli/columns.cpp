#include "host/cli/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace mbrl {
namespace {

constexpr double kAny = std::numeric_limits<double>::infinity();

struct Column {
  const char* name;
  const char* label;
  double low, high;
};

// columns of metrics.csv, episodes.csv and decisions.csv
constexpr Column kColumns[] = {
    {"eval_return_std", "standard deviation of evaluation returns", 0, kAny},
    {"wall_time_s", "wall time (s)", 0, kAny},
    {"epoch", "epoch", 0, kAny},
    {"env_steps", "environment steps", 0, kAny},
    {"num_updates", "policy updates", 0, kAny},
    {"critic_loss", "critic loss (squared return)", 0, kAny},
    {"actor_loss", "actor loss (return)", -kAny, kAny},
    {"alpha", "entropy temperature (return per nat)", 0, kAny},
    {"entropy", "policy entropy (nats)", -kAny, kAny},
    {"mean_q", "mean critic value (discounted return)", -kAny, kAny},
    {"rollout_length", "rollout length (steps)", 0, kAny},
    {"model_replay_size", "imagined transitions kept", 0, kAny},
    {"real_replay_size", "real transitions kept", 0, kAny},
    {"rollout_terminated", "share of imagined steps that end", 0, 1},
    {"model_loss", "model loss (nats)", -kAny, kAny},
    {"model_validation_loss", "model holdout error (normalized, squared)", 0, kAny},
    {"model_epochs", "epochs of a model fit", 0, kAny},
    {"model_steps", "steps of a model fit", 0, kAny},
    {"policy_loss", "policy loss", -kAny, kAny},
    {"value_loss", "value loss (squared return)", 0, kAny},
    {"approx_kl", "KL divergence of an update (nats)", -kAny, kAny},
    {"clip_fraction", "share of clipped ratios", 0, 1},
    {"explained_variance", "explained variance of returns", -kAny, 1},
    {"action_std", "standard deviation of actions", 0, kAny},
    {"length", "length of a training episode (steps)", 0, kAny},
    {"real_ratio", "share of real samples", 0, 1},
    {"fit_model", "share of decisions that refit", 0, 1},
    {"updates_per_step", "policy updates per real step", 0, kAny},
    {"samples", "share of the samples seen", 0, kAny},
    {"policy_change", "change of the policy", 0, kAny},
};

// per step, and the steps of an episode
struct Returns {
  const char* environment;
  double low, high;
  int max_steps;
};
constexpr Returns kReturns[] = {
    {"cartpole", 0, 1, 200},
    {"cartpole_swingup", -0.01 * 9, 1, 200},
    {"inverted_pendulum", 0, 1, 1000},
    // 10 less 0.8^2, the tip's distance from a height that it cannot reach
    {"inverted_double_pendulum", -kAny, 9.36, 1000},
    {"pendulum", -(9.8696044010893586 + 0.1 * 64 + 0.001 * 4), 0, 200},
    {"pusher", -kAny, 0, 150},
    {"reacher", -kAny, 0, 50},
    {"reacher3d", -kAny, 0, 150},
};

bool is_return(const std::string& column) {
  return column == "eval_return_mean" || column == "train_return" || column == "return" ||
         column == "last_return";
}

std::string value_of(const RunGroup& group, const std::string& key) {
  const auto value = group.values.find(key);
  return value == group.values.end() ? "" : value->second;
}

// the number that all groups have; 0 where they differ or one does not say
int common_number(const std::vector<const RunGroup*>& groups, const std::string& key) {
  int number = 0;
  for (const RunGroup* group : groups) {
    const std::string text = value_of(*group, key);
    int found = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), found).ec != std::errc()) return 0;
    if (group != groups.front() && found != number) return 0;
    number = found;
  }
  return number;
}

}  // namespace

ColumnInfo column_info(const std::string& column, const std::string& environment, int num_episodes,
                       int max_episode_steps) {
  ColumnInfo info{.label = column};
  if (is_return(column)) {
    info.label = column == "eval_return_mean"
                     ? fmt::format("mean return of {}evaluation episodes",
                                   num_episodes > 0 ? fmt::format("{} ", num_episodes) : "")
                 : column == "train_return" ? "mean return of training episodes"
                 : column == "last_return"  ? "return of the last evaluation"
                                            : "return of a training episode";
    if (num_episodes == 1 && column == "eval_return_mean")
      info.label = "return of an evaluation episode";
    for (const Returns& known : kReturns)
      if (environment == known.environment) {
        const double steps = max_episode_steps > 0 ? max_episode_steps : known.max_steps;
        info.low = steps * known.low;
        info.high = steps * known.high;
      }
    return info;
  }
  for (const Column& known : kColumns)
    if (column == known.name) info = {known.label, known.low, known.high};
  return info;
}

ColumnInfo column_info(const std::string& column, const std::vector<const RunGroup*>& groups) {
  std::string environment = groups.empty() ? "" : environment_of(*groups.front());
  for (const RunGroup* group : groups)
    if (environment_of(*group) != environment) environment = "";
  return column_info(column, environment, common_number(groups, "eval.num_episodes"),
                     common_number(groups, "env.max_episode_steps"));
}

}  // namespace mbrl

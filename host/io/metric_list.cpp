#include "host/io/metric_list.h"

#include <fmt/format.h>

namespace mbrl {
namespace {

constexpr const char* kSteps = "env steps";
constexpr const char* kReward = "reward units";
constexpr const char* kSquares = "reward units squared";

// what "<name>" at the end of a pattern stands for is one word or more
bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t hole = pattern.find('<');
  if (hole == std::string_view::npos) return pattern == name;
  return name.size() > hole && name.substr(0, hole) == pattern.substr(0, hole);
}

const char* written_text(Written written) {
  switch (written) {
    case Written::kLog:
      return "every `log.interval` env steps";
    case Written::kEpisode:
      return "at the end of each episode";
    case Written::kFit:
      return "after each fit, at the step that begins with it";
    case Written::kEvaluation:
      return "after each evaluation";
    case Written::kOnce:
      return "once";
  }
  return "";
}

// "`loss`", "" where there is no name; a bar would end the cell
std::string code(const char* name) { return *name == '\0' ? "" : fmt::format("`{}`", name); }

}  // namespace

const std::vector<MetricEntry>& metric_list() {
  using enum Written;
  static const std::vector<MetricEntry> all{
      {"metrics.csv", "env_steps", "", kOnce, kSteps,
       "real steps so far, those of exploration included; in TensorBoard the step of every event"},
      {"metrics.csv", "epoch", "", kOnce, "",
       "floor((env_steps - steps of exploration) / loop.epoch_length)"},
      {"metrics.csv", "wall_time_s", "", kOnce, "s",
       "wall time of the training up to the evaluation, all its starts together"},
      {"metrics.csv", "eval_return_mean", "eval/mean_reward", kEvaluation, kReward,
       "mean over the eval.num_episodes episodes of the sum of their rewards, undiscounted, under "
       "the policy's mode; of pets the return of the trial that has just ended"},
      {"metrics.csv", "eval_return_std", "eval/std_reward", kEvaluation, kReward,
       "sqrt(mean((return - mean return)^2)) over the same episodes, of the population"},
      {"metrics.csv", "eval_broken", "eval/num_broken", kEvaluation, "episodes",
       "evaluation episodes that ended early because the simulator became unstable"},
      {"metrics.csv", "critic_loss", "train/critic_loss", kLog, kSquares,
       "mean over the updates and both critics of mean((Q(s, a) - y)^2) / 2, with y = r + discount "
       "(1 - terminated) (min Q'(s', a') - alpha ln pi(a' given s')); half of what Stable-Baselines3 "
       "shows, which adds the critics"},
      {"metrics.csv", "actor_loss", "train/actor_loss", kLog, kReward,
       "mean over the updates of mean(alpha ln pi(a given s) - min Q(s, a)), a drawn from the policy"},
      {"metrics.csv", "alpha", "train/ent_coef", kLog, "reward units per nat",
       "mean over the updates of the temperature, exp(log_alpha)"},
      {"metrics.csv", "entropy", "train/entropy", kLog, "nats",
       "SAC: mean over the updates of -mean(ln pi(a given s)); PPO: of the Gaussian, sum over actions "
       "of log_std + ln(2 pi e) / 2"},
      {"metrics.csv", "mean_q", "train/mean_q", kLog, kReward,
       "mean over the updates of the mean of the first critic's Q(s, a) on the batch"},
      {"metrics.csv", "policy_loss", "train/policy_gradient_loss", kLog, "",
       "mean over the updates of -mean(min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)), with A "
       "scaled to mean 0 and standard deviation 1"},
      {"metrics.csv", "value_loss", "train/value_loss", kLog, "scaled reward units squared",
       "mean over the updates of mean((V(s) - target)^2) / 2; half of what Stable-Baselines3 shows"},
      {"metrics.csv", "approx_kl", "train/approx_kl", kLog, "nats",
       "mean over the updates of mean(ratio - 1 - ln ratio)"},
      {"metrics.csv", "clip_fraction", "train/clip_fraction", kLog, "",
       "share of the ratios outside of 1 - clip to 1 + clip"},
      {"metrics.csv", "explained_variance", "train/explained_variance", kLog, "",
       "1 - var(target - V(s)) / var(target) over the steps collected, before the update"},
      {"metrics.csv", "action_std", "train/std", kLog, "",
       "mean over the actions of exp(log_std), now"},
      {"metrics.csv", "train_return", "", kOnce, kReward,
       "mean return of the training episodes that ended since the row before; empty if none did. In "
       "TensorBoard see rollout/ep_rew_mean and episode/return"},
      {"metrics.csv", "real_replay_size", "replay/real_size", kLog, "rows",
       "transitions in the real replay, now"},
      {"metrics.csv", "num_updates", "train/n_updates", kLog, "updates", "policy updates so far"},
      {"metrics.csv", "model_loss", "model/loss", kFit, "",
       "training loss before the last step of a fit, summed over the members, mean over rows and "
       "targets: (mean - target)^2 exp(-logvar) + logvar for gaussian_nll, (mean - target)^2 for mse; "
       "without decay and penalty"},
      {"metrics.csv", "model_validation_loss", "model/validation_loss", kFit,
       "raw target units squared", "mean over the elites of their holdout error"},
      {"metrics.csv", "model_epochs", "model/epochs", kFit, "model epochs", "epochs of a fit"},
      {"metrics.csv", "model_steps", "model/steps", kFit, "steps",
       "gradient steps of a fit, each on a batch of every member"},
      {"metrics.csv", "max_logvar", "model/max_logvar", kFit, "",
       "mean over the targets of the learned upper bound of the log-variance (gaussian_nll alone)"},
      {"metrics.csv", "min_logvar", "model/min_logvar", kFit, "",
       "mean over the targets of the learned lower bound of the log-variance (gaussian_nll alone)"},
      {"metrics.csv", "model_end_recall", "model/end_recall", kFit, "",
       "share of the ends among the holdout rows that the elites predict, as many as there are "
       "(env.end=learned alone)"},
      {"metrics.csv", "plan_best_cost", "plan/best_cost", kLog, "cost units",
       "mean over the control steps of the lowest cost of all candidates of a search: summed over the "
       "horizon, mean over the particles"},
      {"metrics.csv", "plan_mean_cost", "plan/mean_cost", kLog, "cost units",
       "mean over the control steps of the mean cost of the last iteration's candidates"},
      {"metrics.csv", "plan_iterations", "plan/iterations", kLog, "",
       "mean over the control steps of the iterations until no variance was large"},
      {"metrics.csv", "rejected_rows", "replay/rejected", kLog, "rows",
       "transitions so far that no fit sees, as a target of theirs was beyond model.max_target"},
      {"metrics.csv", "num_trials", "train/n_trials", kLog, "trials",
       "planned trials so far; those of exploration do not count"},
      {"metrics.csv", "broken_trials", "train/n_broken", kLog, "trials",
       "trials so far that ended early because the simulator became unstable, random ones included"},
      {"metrics.csv", "rollout_length", "model/rollout_length", kLog, "model steps",
       "length of the newest imagined rollouts"},
      {"metrics.csv", "model_replay_size", "replay/model_size", kLog, "rows",
       "transitions in the model replay, now"},
      {"metrics.csv", "rollout_terminated", "model/rollout_terminated", kLog, "",
       "share of the imagined rollouts that reached an end of the task"},

      {"evaluations.csv", "env_steps", "", kOnce, kSteps,
       "when the evaluation began; of pets when the trial ended"},
      {"evaluations.csv", "episode", "", kOnce, "", "number in the evaluation, from 0"},
      {"evaluations.csv", "return", "", kOnce, kReward,
       "sum of the rewards of the episode, undiscounted, under the policy's mode"},
      {"evaluations.csv", "length", "eval/mean_ep_length", kEvaluation, kSteps,
       "steps of the episode; the tag is the mean over the episodes of an evaluation"},

      {"episodes.csv", "env_steps", "", kOnce, kSteps, "when the training episode ended"},
      {"episodes.csv", "episode", "", kOnce, "", "number, from 0"},
      {"episodes.csv", "return", "episode/return", kEpisode, kReward,
       "sum of the rewards of the episode, undiscounted, under the policy that explores"},
      {"episodes.csv", "length", "episode/length", kEpisode, kSteps, "steps of the episode"},
      {"episodes.csv", "terminated", "", kOnce, "", "1 if it reached an end of the task"},
      {"episodes.csv", "truncated", "", kOnce, "", "1 if the clock ended it"},
      {"episodes.csv", "broken", "", kOnce, "", "1 if the simulator became unstable"},

      {"decisions.csv", "env_steps", "", kOnce, kSteps, "when the controller decided"},
      {"decisions.csv", "samples", "", kOnce, "",
       "share of the run's training steps that are done"},
      {"decisions.csv", "model_loss", "", kOnce, "raw target units squared",
       "mean over the elites of their holdout error in the last fit"},
      {"decisions.csv", "critic_loss", "", kOnce, kSquares,
       "as in metrics.csv, over the updates since the last decision; 0 if there were none"},
      {"decisions.csv", "policy_change", "", kOnce, "",
       "mean of abs(pi(a given s) - pi_D(a given s)) over recent real steps, pi_D being the policy "
       "that took them"},
      {"decisions.csv", "last_return", "", kOnce, kReward, "mean return of the last evaluation"},
      {"decisions.csv", "real_ratio", "", kOnce, "",
       "share of real rows in a policy batch from here on"},
      {"decisions.csv", "fit_model", "", kOnce, "", "1 if the model is fitted at this step"},
      {"decisions.csv", "updates_per_step", "", kOnce, "updates per env step", "from here on"},
      {"decisions.csv", "rollout_length", "", kOnce, "model steps", "from here on"},
      {"decisions.csv", "option_<head>", "", kOnce, "",
       "the option chosen, from 0, of a head of the controller: real_ratio, model, updates, "
       "rollout_length"},
      {"decisions.csv", "log_prob_<head>", "", kOnce, "nats",
       "ln of the probability with which the head chose it"},

      {"stages.csv", "group", "", kOnce, "", "which controller of the stack learned, from 0"},
      {"stages.csv", "stage", "", kOnce, "", "number, from 0"},
      {"stages.csv", "num_episodes", "", kOnce, "hyper-episodes", "MBPO runs of the stage"},
      {"stages.csv", "num_failed", "", kOnce, "hyper-episodes", "those of them that diverged"},
      {"stages.csv", "mean_return", "", kOnce, kReward,
       "mean over all evaluations of the stage's runs of eval_return_mean"},
      {"stages.csv", "final_return", "", kOnce, kReward,
       "mean over the runs of their last eval_return_mean"},
      {"stages.csv", "baseline_return", "", kOnce, kReward,
       "mean_return of default MBPO over the same evaluations"},
      {"stages.csv", "real_ratio", "", kOnce, "", "mean over the runs of their last real ratio"},
      {"stages.csv", "updates_per_step", "", kOnce, "updates per env step",
       "mean over the runs of their last one"},
      {"stages.csv", "rollout_length", "", kOnce, "model steps",
       "mean over the runs of their last one"},
      {"stages.csv", "share_of_fits", "", kOnce, "",
       "share of the decisions that fitted the model"},
      {"stages.csv", "policy_loss", "", kOnce, "",
       "the controller's last update: clipped surrogate, summed over its heads"},
      {"stages.csv", "value_loss", "", kOnce, "", "0: the controller has no value network"},
      {"stages.csv", "entropy", "", kOnce, "nats", "of its options, summed over its heads"},
      {"stages.csv", "approx_kl", "", kOnce, "nats",
       "mean(ratio - 1 - ln ratio), summed over its heads"},
      {"stages.csv", "clip_fraction", "", kOnce, "",
       "share of the ratios outside of 1 - clip to 1 + clip"},
      {"stages.csv", "learner_seconds", "", kOnce, "s",
       "wall time of the stage's runs, one after the other"},

      {"baseline.csv", "evaluation", "", kOnce, "", "number, from 0"},
      {"baseline.csv", "return_mean", "", kOnce, kReward,
       "mean over the seeds of eval_return_mean of default MBPO"},
      {"baseline.csv", "num_seeds", "", kOnce, "", "runs of default MBPO"},

      {"", "", "rollout/ep_rew_mean", kLog, kReward,
       "mean return of the last 100 training episodes, those of exploration included"},
      {"", "", "rollout/ep_len_mean", kLog, kSteps, "mean length of the same episodes"},
      {"", "", "model/holdout_mse/<member>", kFit, "raw target units squared",
       "mean over holdout rows and targets of (prediction - target)^2 of a member of the ensemble, "
       "with the weights that the fit keeps"},
      {"", "", "model/train_rows", kFit, "rows", "rows that a fit trained on"},
      {"", "", "model/holdout_rows", kFit, "rows", "rows that its holdout errors are means over"},
      {"", "", "schedule/<key>", kLog, "that of the key",
       "value, now, of a key that may change during a run, whether by a schedule, a controller or a "
       "population; rollout.length is that of the next rollouts, and a choice among names is its place "
       "among them, from 0"},
      {"", "", "time/fps", kLog, "env steps per s",
       "env steps since the last such event over the wall time since then, evaluations and "
       "checkpoints included"},
      {"", "", "time/updates_per_s", kLog, "updates per s",
       "policy updates since then over the same time; of pets gradient steps of the model"},
      {"", "", "time/time_elapsed", kLog, "s",
       "wall time of the training so far, all its starts together"},
      {"", "", "time/share/<stage>", kLog, "",
       "share of the wall time since the last such event: explore, plan, env_step, model_fit, rollout, "
       "sac, ppo, eval, checkpoint"},
      {"", "", "config", kOnce, "", "text: the keys that the run reads, those changed in bold"},
      {"", "", "_hparams_/session_start_info", kOnce, "",
       "for the HPARAMS tab: the keys that the run reads"},
      {"", "", "_hparams_/session_end_info", kOnce, "",
       "for the HPARAMS tab: success for a run that is done, failure for one that diverged; a run "
       "that goes on, or was stopped, has none"}};
  return all;
}

const MetricEntry* find_column(std::string_view table, std::string_view column) {
  for (const MetricEntry& entry : metric_list())
    if (table == entry.table && matches(entry.column, column)) return &entry;
  return nullptr;
}

const MetricEntry* find_tag(std::string_view tag) {
  for (const MetricEntry& entry : metric_list())
    if (*entry.tag != '\0' && matches(entry.tag, tag)) return &entry;
  return nullptr;
}

std::string metrics_text() {
  std::string text;
  for (const MetricEntry& e : metric_list()) {
    const std::string column = *e.table == '\0' ? "" : fmt::format("{} {}", e.table, e.column);
    const std::string tag = *e.tag == '\0' ? "" : fmt::format("tag {}", e.tag);
    const std::string unit = *e.unit == '\0' ? "" : fmt::format("  [{}]", e.unit);
    text += fmt::format("{}{}{}{}\n    {}\n", column, !column.empty() && !tag.empty() ? ", " : "",
                        tag, unit, e.text);
  }
  return text;
}

std::string metrics_markdown() {
  std::string text, table = " ";
  for (const MetricEntry& e : metric_list()) {
    if (table != e.table) {
      table = e.table;
      const bool tags = table.empty();
      text += fmt::format("{}## {}\n\n", text.empty() ? "" : "\n",
                          tags ? "TensorBoard alone" : fmt::format("`{}`", table));
      text += tags ? "| tag | written | unit | formula |\n| --- | --- | --- | --- |\n"
                   : "| column | tag | tag is written | unit | formula |\n"
                     "| --- | --- | --- | --- | --- |\n";
    }
    const char* when = *e.tag == '\0' ? "" : written_text(e.written);
    text += table.empty()
                ? fmt::format("| {} | {} | {} | {} |\n", code(e.tag), when, e.unit, e.text)
                : fmt::format("| {} | {} | {} | {} | {} |\n", code(e.column), code(e.tag), when,
                              e.unit, e.text);
  }
  return text;
}

}  // namespace mbrl

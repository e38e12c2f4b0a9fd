#include "host/tune/autombpo/controller_null.h"

#include <fmt/format.h>
#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <cmath>
#include <limits>
#include <system_error>

#include "base/error.h"
#include "base/rng.h"
#include "host/io/curves.h"
#include "host/io/run_state.h"
#include "host/stats/summary.h"
#include "host/tune/autombpo/baseline.h"
#include "host/tune/autombpo/controller.h"
#include "host/tune/autombpo/hyper_episode.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kNullEpisode{23};  // the return curve and the measurements of a drawn run
}  // namespace purpose

namespace {

namespace fs = std::filesystem;

/// What a run measured at one of its decisions.
struct DecisionPoint {
  double env_steps;
  HyperMeasurements measured;
};

std::vector<DecisionPoint> read_decisions(const fs::path& table) {
  const auto column = [&](const char* name) { return read_curve(table, name); };
  const Curve samples = column("samples"), model_loss = column("model_loss"),
              critic_loss = column("critic_loss"), policy_change = column("policy_change"),
              last_return = column("last_return");
  std::vector<DecisionPoint> points;
  for (std::size_t i = 0; i < samples.x.size(); ++i)
    points.push_back({samples.x[i],
                      {.samples = samples.y[i],
                       .model_loss = model_loss.at(samples.x[i]),
                       .critic_loss = critic_loss.at(samples.x[i]),
                       .policy_change = policy_change.at(samples.x[i]),
                       .last_return = last_return.at(samples.x[i])}});
  return points;
}

// steps of a head from its start, per decision
Drift drift_of(const HyperValues& start, const HyperValues& end, double num_decisions,
               double num_fits, const Config& config) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  const auto has = [&](const char* head) { return has_head(config.controller.heads, head); };
  const auto added = [&](const char* head) {
    return has(head) ? (end.at(head) - start.at(head)) / num_decisions : nothing;
  };
  const double factors = std::log(end.at("real_ratio") / start.at("real_ratio")) /
                         std::log(config.controller.ratio_factor);
  return {.real_ratio = has("real_ratio") ? factors / num_decisions : nothing,
          .updates_per_step = added("updates"),
          .rollout_length = added("rollout_length"),
          .share_of_fits = has("model") ? num_fits / num_decisions : nothing};
}

Drift mean_of_drifts(const std::vector<Drift>& all) {
  Drift mean;
  for (const auto field : {&Drift::real_ratio, &Drift::updates_per_step, &Drift::rollout_length,
                           &Drift::share_of_fits}) {
    for (const Drift& drift : all) mean.*field += drift.*field;
    mean.*field /= static_cast<double>(all.size());
  }
  return mean;
}

// of a run of the evaluation, from its table
Drift drift_of_run(const fs::path& table, const Config& config) {
  const auto column = [&](const char* name) { return read_curve(table, name).y; };
  const std::vector<double> fits = column("fit_model");
  double num_fits = 0.0;
  for (const double fit : fits) num_fits += fit;
  const HyperValues end{{"real_ratio", column("real_ratio").back()},
                        {"updates", column("updates_per_step").back()},
                        {"rollout_length", column("rollout_length").back()}};
  return drift_of(start_values(config), end, static_cast<double>(fits.size()), num_fits, config);
}

using Controller = std::shared_ptr<ControllerStack>;

class NullTrainer {
 public:
  NullTrainer(Stream& stream, const Config& config, Baseline baseline,
              std::vector<std::vector<DecisionPoint>> episodes,
              std::vector<std::vector<DecisionPoint>> evaluations)
      : stream_(stream),
        config_(config),
        baseline_(std::move(baseline)),
        episodes_(std::move(episodes)),
        evaluations_(std::move(evaluations)) {}

  // Drift of the best of one repetition's controllers.
  Drift train(std::uint32_t seed, const fs::path& best);

 private:
  struct Drawn {
    HyperTrajectory trajectory;
    double mean_return;
    Drift drift;
  };
  Drawn draw(const Controller& stack, int group, float epsilon, std::uint32_t seed,
             std::uint32_t index, const std::vector<std::vector<DecisionPoint>>& tables,
             int num_epochs);
  void train_group(const Controller& stack, int group, std::uint32_t seed, const fs::path& best);

  Stream& stream_;
  const Config& config_;
  Baseline baseline_;
  std::vector<std::vector<DecisionPoint>> episodes_, evaluations_;
  std::uint32_t num_drawn_ = 0;
};

NullTrainer::Drawn NullTrainer::draw(const Controller& stack, int group, float epsilon,
                                     std::uint32_t seed, std::uint32_t index,
                                     const std::vector<std::vector<DecisionPoint>>& tables,
                                     int num_epochs) {
  const auto bits = RandomKey{seed, purpose::kNullEpisode, 0}.bits(index, 0);
  const Curve& curve =
      baseline_.curves[uniform_index(bits.x, static_cast<std::uint32_t>(baseline_.curves.size()))];
  const auto& points = tables[uniform_index(bits.y, static_cast<std::uint32_t>(tables.size()))];

  ControllerDecider decider(stream_, stack, {seed, purpose::kHyperAction, index}, group, epsilon);
  Config config = config_;
  if (group >= 0)
    if (auto heads = heads_in_turn(config.controller, group); !heads.empty())
      config.controller.apply = std::move(heads);
  HyperEpisode episode(config, decider, baseline_.returns, std::max(group, 0));
  Drawn drawn{.trajectory = {}, .mean_return = 0.0, .drift = {}};
  const auto num_evaluations = std::min(static_cast<std::size_t>(num_epochs), curve.y.size());
  std::size_t next = 0;
  double num_fits = 0.0, last_return = points.front().measured.last_return;
  const auto evaluate_until = [&](double env_steps) {
    for (; next < num_evaluations && curve.x[next] <= env_steps; ++next) {
      last_return = curve.y[next];
      drawn.mean_return += last_return / static_cast<double>(num_evaluations);
      episode.on_evaluation(last_return);
    }
  };
  for (const DecisionPoint& point : points) {
    evaluate_until(point.env_steps);
    HyperMeasurements measured = point.measured;
    measured.last_return = last_return;
    const auto train_steps =
        static_cast<std::int64_t>(episode.num_decisions()) * config_.controller.interval;
    episode.decide(measured, may_change_length(train_steps, config_));
    num_fits += episode.values().at("model") != 0.0;
  }
  evaluate_until(std::numeric_limits<double>::infinity());
  drawn.trajectory = episode.trajectory();
  drawn.drift = drift_of(start_values(config_), episode.values(),
                         static_cast<double>(points.size()), num_fits, config_);
  return drawn;
}

// the stages of one group, as stages.cpp goes through them
void NullTrainer::train_group(const Controller& stack, int group, std::uint32_t seed,
                              const fs::path& best) {
  const AutoMbpoConfig& a = config_.autombpo;
  const std::vector<float>& list = config_.controller.epsilon;
  double best_return = -std::numeric_limits<double>::infinity();
  for (int first = 0, stage = 0; first < a.num_episodes; first += a.episodes_per_stage, ++stage) {
    const float epsilon = list[std::min(static_cast<std::size_t>(stage), list.size() - 1)];
    std::vector<HyperTrajectory> trajectories;
    double mean_return = 0.0;
    const int num_episodes = std::min(a.episodes_per_stage, a.num_episodes - first);
    for (int i = 0; i < num_episodes; ++i) {
      Drawn drawn =
          draw(stack, group, epsilon, seed, num_drawn_++, episodes_, config_.autombpo.train_epochs);
      mean_return += drawn.mean_return / num_episodes;
      trajectories.push_back(std::move(drawn.trajectory));
    }
    if (mean_return > best_return) stack->save(best);
    best_return = std::max(best_return, mean_return);
    stack->learn(stream_, group, trajectories, seed, stage);
  }
}

Drift NullTrainer::train(std::uint32_t seed, const fs::path& best) {
  num_drawn_ = 0;
  const auto stack = std::make_shared<ControllerStack>(stream_, config_, seed);
  for (int group = 0; group < stack->size(); ++group) {
    if (group > 0) stack->load(best);
    train_group(stack, group, seed, best);
  }
  stack->load(best);
  std::vector<Drift> drifts;
  for (int i = 0; i < config_.autombpo.num_seeds; ++i)
    drifts.push_back(draw(stack, /*group=*/-1, 0.0f, seed, num_drawn_++, evaluations_,
                          config_.autombpo.eval_epochs)
                         .drift);
  return mean_of_drifts(drifts);
}

// a folder that goes away with what is in it
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "mbrl_gpu.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw DataError(fmt::format("no temporary folder can be made in {}; set TMPDIR to another.",
                                  fs::temp_directory_path().string()));
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

ControllerNull controller_null(Stream& stream, const Config& config, const AutoMbpoFolder& folder,
                               const fs::path& runs_root, int repetitions) {
  if (config.autombpo.scheme != "ppo")
    throw ConfigError(
        fmt::format("eval --controller-null: autombpo.scheme={} trains no controller over "
                    "hyper-episodes; expected a run of ppo.",
                    config.autombpo.scheme));
  ControllerNull result;
  std::vector<std::vector<DecisionPoint>> episodes, evaluations;
  std::vector<Drift> drifts;
  for (const fs::path& run : folder.complete_evaluations()) {
    evaluations.push_back(read_decisions(run / "decisions.csv"));
    drifts.push_back(drift_of_run(run / "decisions.csv", config));
  }
  for (const fs::path& episode : folder.all_episodes())
    if (is_done(episode)) episodes.push_back(read_decisions(episode / "decisions.csv"));
  if (evaluations.empty() || episodes.empty())
    throw DataError(fmt::format(
        "eval --controller-null: {} holds no complete run of the evaluation; let the run reach its "
        "end first.",
        folder.path().string()));
  result.num_runs = static_cast<int>(drifts.size());
  result.run = mean_of_drifts(drifts);
  NullTrainer trainer(stream, config, find_baseline(config, runs_root), std::move(episodes),
                      std::move(evaluations));
  const TemporaryFolder temporary;
  for (int r = 0; r < repetitions; ++r)
    result.null.push_back(
        trainer.train(static_cast<std::uint32_t>(r), temporary.path() / "best.safetensors"));
  return result;
}

std::string drift_line(const std::string& name, double Drift::*field, const ControllerNull& found) {
  const double value = found.run.*field;
  if (std::isnan(value)) return "";
  std::vector<double> null;
  for (const Drift& drift : found.null) null.push_back(drift.*field);
  const double mean = mean_of(null);
  // of one controller there is none, of controllers that all do the same it is 0
  const double sd = null.size() > 1 ? sample_std(null) : 0.0;
  return fmt::format("{:<44}  {:>7.3f}  {:>7.3f}  {:>7.3f}  {:>7.3f} to {:>6.3f}  {:>7}\n", name,
                     value, mean, sd, *std::min_element(null.begin(), null.end()),
                     *std::max_element(null.begin(), null.end()),
                     sd > 0.0 ? fmt::format("{:.2f}", (value - mean) / sd) : "-");
}

}  // namespace mbrl

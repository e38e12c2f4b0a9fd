// mbrl_gpu eval: episodes of a saved policy, or the errors of the model or the critics saved with
// it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/error.h"
#include "base/printable.h"
#include "host/algo/registry.h"
#include "host/analysis/episodes.h"
#include "host/analysis/film.h"
#include "host/analysis/model_error.h"
#include "host/analysis/open_loop.h"
#include "host/analysis/value_error.h"
#include "host/cli/cli.h"
#include "host/cli/run_groups.h"
#include "host/config/load.h"
#include "host/io/console.h"
#include "host/io/figure_file.h"
#include "host/io/folders.h"
#include "host/io/output_file.h"
#include "host/io/svg_plot.h"
#include "host/model/predict.h"
#include "host/run/open_device.h"
#include "host/run/resume.h"
#include "host/stats/half_normal.h"
#include "host/stats/summary.h"
#include "host/tune/autombpo/controller_null.h"

namespace mbrl {
namespace {

struct EvalOptions {
  std::string run, svg, csv, bank, video, frames, size = "480x360";
  std::vector<std::string> trajectories;
  std::string device = "auto";
  int num_episodes = 10;
  int num_threads = 0;
  int num_transitions = 10000;
  int num_value_episodes = 10;
  int num_controllers = 40;
  int horizon = 30;
  bool model_nll = false;
  bool stochastic = false;
};

void print_episodes(Learner& learner, int num_episodes) {
  const Evaluation evaluation = learner.evaluate(num_episodes);
  for (std::size_t i = 0; i < evaluation.returns.size(); ++i)
    fmt::print("episode {:3}: return {:10.2f}, length {:5}\n", i, evaluation.returns[i],
               evaluation.lengths[i]);
  if (evaluation.num_broken > 0)
    fmt::print("{} of them ended early because the simulator became unstable\n",
               evaluation.num_broken);
  fmt::print("mean return {:.2f}, standard deviation {:.2f}, mean length {:.1f}, {} episodes\n",
             evaluation.mean_return(), evaluation.std_return(), evaluation.mean_length(),
             evaluation.returns.size());
}

// densities of errors and of the half-normal distribution fitted to them
std::string figure(const std::string& title, const Histogram& h, const HalfNormalFit& fit, int n) {
  std::vector<double> heights;
  for (std::size_t i = 0; i < h.counts.size(); ++i)
    heights.push_back(h.counts[i] / (n * (h.edges[i + 1] - h.edges[i])));
  PlotSeries curve{.name = fmt::format("half-normal, sigma {:.4g}", fit.sigma), .x = {}, .y = {}};
  constexpr int kPoints = 200;
  for (int i = 0; i <= kPoints; ++i) {
    curve.x.push_back(h.edges.back() * i / kPoints);
    curve.y.push_back(half_normal_density(curve.x.back(), fit.sigma));
  }
  return svg_plot(
      {.title = title,
       .x_label = "model error, distance of predicted from real next observation",
       .y_label = "density",
       .series = {histogram_series(fmt::format("{} transitions", n), h.edges, heights), curve}});
}

// an option looks at what not every algorithm learns
void require_learned(bool is_learned, const Learner& learner, const EvalOptions& o,
                     const char* option, const char* what, bool (*learns)(const Algorithm&)) {
  if (is_learned) return;
  std::vector<std::string> names;
  for (const Algorithm& algorithm : list_algorithms())
    if (algorithm.make != nullptr && learns(algorithm)) names.push_back(algorithm.name);
  const std::string last = names.back();
  names.pop_back();
  throw ConfigError(
      fmt::format("eval {}: {} was trained by {}, which learns no {}; expected a run of {} or {}.",
                  option, o.run, learner.config().algorithm, what, fmt::join(names, ", "), last));
}

// the policy as it explores, on the start states of fresh episodes
struct Explored {
  std::vector<double> returns, lengths;
};
Explored explore(Stream& stream, const Learner& learner, const EvalOptions& o) {
  Explored explored;
  for (const EpisodeValues& episode : value_errors(stream, learner, o.num_episodes)) {
    explored.returns.push_back(episode.total);
    explored.lengths.push_back(static_cast<double>(episode.value.size()));
  }
  return explored;
}

void require_exploring(const Learner& learner, const EvalOptions& o) {
  require_learned(learner.soft_actor_critic() != nullptr, learner, o, "--stochastic",
                  "actor of soft actor-critic",
                  [](const Algorithm& algorithm) { return reads_section(algorithm, "sac"); });
}

// what acts by plans in a model has none before the first fit
void require_acting(const Learner& learner, const EvalOptions& o) {
  const bool plans = reads_section(find_algorithm(learner.config().algorithm), "planner");
  if (plans && learner.model()->num_steps == 0)
    throw DataError(fmt::format(
        "eval: this checkpoint of {} is from the exploration before the first fit, and plans need "
        "a model. Take one from after env step {} (loop.num_exploration_steps and the episode's "
        "end).",
        printable(o.run), learner.config().loop.num_exploration_steps));
}

void print_stochastic_returns(Stream& stream, const Learner& learner, const EvalOptions& o) {
  const auto [returns, lengths] = explore(stream, learner, o);
  fmt::print(
      "stochastic policy: mean return {:.2f}, standard deviation {:.2f}, mean length {:.1f}, {} "
      "episodes\n",
      mean_of(returns), returns.size() > 1 ? sample_std(returns) : 0.0, mean_of(lengths),
      returns.size());
}

void require_fitted(const Learner& learner, const EvalOptions& o, const char* option) {
  require_learned(learner.model() != nullptr, learner, o, option, "model",
                  [](const Algorithm& algorithm) { return algorithm.needs_model; });
  if (learner.model()->num_steps == 0)
    throw DataError(fmt::format(
        "eval {}: the model of {} has never been fitted{}.", option, o.run,
        learner.exploring() ? ": this checkpoint is from the exploration before the first fit"
                            : ", as at loop.real_ratio=1 nothing reads it"));
}

void print_model_errors(Stream& stream, Learner& learner, const EvalOptions& o) {
  require_fitted(learner, o, "--model-error");
  const std::vector<double> errors = model_errors(stream, learner, o.num_transitions);
  const HalfNormalFit fit = fit_half_normal(errors);
  // a few large errors would squeeze the bins: the largest twentieth is counted, not drawn
  const Histogram h = histogram(errors, quantile(errors, 0.95), 30);

  const auto n = static_cast<double>(errors.size());
  fmt::print("\n{:>22}  {:>7}  {:>7}  {:>11}\n", "model error", "count", "share", "half-normal");
  for (std::size_t i = 0; i < h.counts.size(); ++i)
    fmt::print(
        "{:>9.4g} to {:>9.4g}  {:>7}  {:>7.4f}  {:>11.4f}\n", h.edges[i], h.edges[i + 1],
        h.counts[i], h.counts[i] / n,
        half_normal_share(h.edges[i + 1], fit.sigma) - half_normal_share(h.edges[i], fit.sigma));
  fmt::print("{:>9.4g} and {:>8}  {:>7}  {:>7.4f}  {:>11.4f}\n", h.edges.back(), "more",
             h.num_above, h.num_above / n, 1.0 - half_normal_share(h.edges.back(), fit.sigma));
  fmt::print(
      "\n{} fresh transitions, each predicted by the mean of one elite, drawn as in rollouts\n"
      "mean error {:.4g}, median {:.4g}, largest {:.4g}, in units of the observation\n"
      "half-normal fit: sigma {:.4g}, Kolmogorov-Smirnov distance {:.4f}\n",
      errors.size(), mean_of(errors), quantile(errors, 0.5), quantile(errors, 1.0), fit.sigma,
      fit.distance);
  if (!o.svg.empty()) {
    const std::string title =
        fmt::format("{} after {} steps", learner.config().env.name, learner.env_steps());
    write_figure(o.svg, figure(title, h, fit, static_cast<int>(errors.size())));
  }
}

// fresh episodes as a bank
void save_trajectories(Stream& stream, Learner& learner, const EvalOptions& o) {
  const Episodes episodes = record_episodes(stream, learner, o.num_episodes);
  write_bank(o.bank, episodes);
  fmt::print("{} steps of {} episodes in {}\nmean return {:.2f}, least {:.2f}, largest {:.2f}\n",
             episodes.num_steps(), episodes.lengths.size(), printable(o.bank),
             mean_of(episodes.returns),
             *std::min_element(episodes.returns.begin(), episodes.returns.end()),
             *std::max_element(episodes.returns.begin(), episodes.returns.end()));
}

// "640x480"
void read_size(const std::string& text, FilmOptions& film) {
  const std::size_t x = text.find('x');
  const auto number = [&](std::size_t begin, std::size_t end, int& value) {
    const auto [last, error] = std::from_chars(text.data() + begin, text.data() + end, value);
    return error == std::errc() && last == text.data() + end && value >= 16 && value <= 4096;
  };
  if (x == std::string::npos || !number(0, x, film.width) ||
      !number(x + 1, text.size(), film.height))
    throw ConfigError(fmt::format(
        "eval --size {}: expected width and height in pixels, 16 to 4096, such as 480x360.",
        printable(text)));
}

// fresh episodes as a video, or as pictures where that is asked for or no ffmpeg is found
void make_film(Stream& stream, Learner& learner, const EvalOptions& o) {
  FilmOptions options{.num_episodes = o.num_episodes};
  read_size(o.size, options);
  std::string to = o.frames;
  const std::string ffmpeg = find_ffmpeg();
  if (!o.video.empty()) {
    VideoFile::check(o.video, options.width, options.height);
    if (ffmpeg.empty()) {
      to = std::filesystem::path(o.video).replace_extension(".frames").string();
      print_to(stderr, fmt::format("warning: ffmpeg is not on the PATH (`apt-get install ffmpeg`); "
                                   "the film's pictures go to {}\n",
                                   printable(to)));
    }
  }
  const Film film =
      film_episodes(stream, learner, options, [&](double rate) -> std::unique_ptr<FilmWriter> {
        if (to.empty())
          return std::make_unique<VideoFile>(ffmpeg, o.video, options.width, options.height, rate);
        return std::make_unique<FrameFolder>(to, options.width, options.height);
      });
  for (std::size_t i = 0; i < film.returns.size(); ++i)
    fmt::print("episode {:3}: return {:10.2f}, length {:5}\n", i, film.returns[i], film.lengths[i]);
  fmt::print("{} pictures in {}, {:.4g} in a second\n", film.num_pictures,
             printable(to.empty() ? o.video : to), film.frames_per_second);
}

// predicted beside real trajectories
void print_open_loop(Stream& stream, Learner& learner, const EvalOptions& o) {
  require_fitted(learner, o, "--open-loop");
  // from four places of an episode, so that a planner need not act to its end
  constexpr int kPlaces = 4, kEpisodes = 2;
  const Config& config = learner.config();
  const Episodes episodes =
      o.trajectories.empty()
          ? record_episodes(stream, learner, kEpisodes, kPlaces * o.horizon)
          : read_bank(o.trajectories.front(), config.env.name,
                      {learner.env_spec().observation_size, learner.env_spec().action_size});
  if (episodes.lengths.empty())
    throw DataError(fmt::format(
        "eval --open-loop: {} does not say where its episodes end; write one with eval RUN "
        "--save-trajectories FILE.",
        o.trajectories.front()));
  const OpenLoop found = open_loop(stream, *learner.model(), episodes, o.horizon);
  fmt::print("\n{:>5}  {:>10}  {:>10}\n", "step", "error", "spread");
  for (int h = 0; h < found.horizon; ++h) {
    // the first ones, then every tenth
    if (h >= 5 && (h + 1) % 10 != 0 && h + 1 != found.horizon) continue;
    fmt::print("{:>5}  {:>10.4g}  {:>10.4g}\n", h + 1, found.relative(found.error, h),
               found.relative(found.spread, h));
  }
  fmt::print(
      "\n{} members, each along its own mean for {} steps with the real actions, from {} states\n"
      "error: of the members' mean; spread: the members' standard deviation; root mean squares, in\n"
      "standard deviations of the real entries, mean over the entries that vary\n",
      found.num_members, found.horizon, found.num_starts);
  if (!o.svg.empty())
    write_figure(o.svg, open_loop_figure(found, fmt::format("{} after {} steps", config.env.name,
                                                            learner.env_steps())));
  if (!o.csv.empty()) write_file_atomically(o.csv, open_loop_csv(found));
}

// all complete checkpoints of a run, oldest first, or the one that is named
std::vector<std::filesystem::path> snapshots(const std::string& run) {
  const std::filesystem::path newest = find_checkpoint(run);
  std::error_code error;
  if (std::filesystem::equivalent(newest, run, error)) return {newest};
  std::vector<std::filesystem::path> all;
  for (const auto& entry : std::filesystem::directory_iterator(newest.parent_path()))
    if (std::filesystem::exists(entry.path() / "DONE", error)) all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  return all;
}

// the loss of every snapshot of the model on every bank
void print_model_nll(Stream& stream, const Config& config, const EvalOptions& o) {
  const auto learner = make_learner(config, stream, {});
  const TransitionLayout layout{learner->env_spec().observation_size,
                                learner->env_spec().action_size};
  std::vector<Episodes> banks;
  for (const std::string& file : o.trajectories) {
    banks.push_back(read_bank(file, config.env.name, layout));
    fmt::print("{:>6}  {} ({} steps)\n", fmt::format("bank {}", banks.size()), printable(file),
               banks.back().num_steps());
  }
  fmt::print("\n{:>9}  {:>6}  {:>11}  {:>11}  {:>11}  {:>11}\n", "env step", "bank", "loss",
             "median", "95 %", "best member");
  int num_fitted = 0;
  for (const std::filesystem::path& checkpoint : snapshots(o.run)) {
    load_checkpoint(checkpoint, *learner, config, CheckpointUse::kEvaluate);
    require_learned(learner->model() != nullptr, *learner, o, "--model-nll", "model",
                    [](const Algorithm& algorithm) { return algorithm.needs_model; });
    if (learner->model()->num_steps == 0) continue;  // from before the first fit
    ++num_fitted;
    const auto E = static_cast<std::size_t>(learner->model()->ensemble_size);
    for (std::size_t b = 0; b < banks.size(); ++b) {
      const std::size_t rows = banks[b].num_steps();
      const std::vector<double> losses =
          losses_by_members(stream, *learner->model(), banks[b].view());
      for (std::size_t i = 0; i < losses.size(); ++i)
        if (!std::isfinite(losses[i]))
          throw DataError(fmt::format(
              "eval --model-nll: the loss of the model of {} on step {} of {} is {}: the step's "
              "numbers are far beyond those of any episode. Write the steps anew with eval RUN "
              "--save-trajectories FILE.",
              printable(checkpoint.string()), i % rows, printable(o.trajectories[b]), losses[i]));
      std::vector<double> of_row(rows, 0.0), of_member(E, 0.0);
      for (std::size_t e = 0; e < E; ++e)
        for (std::size_t row = 0; row < rows; ++row) {
          of_row[row] += losses[e * rows + row] / static_cast<double>(E);
          of_member[e] += losses[e * rows + row] / static_cast<double>(rows);
        }
      fmt::print("{:>9}  {:>6}  {:>11.4g}  {:>11.4g}  {:>11.4g}  {:>11.4g}\n", learner->env_steps(),
                 b + 1, mean_of(of_row), quantile(of_row, 0.5), quantile(of_row, 0.95),
                 *std::min_element(of_member.begin(), of_member.end()));
    }
  }
  if (num_fitted == 0)
    throw DataError(fmt::format(
        "eval --model-nll: no checkpoint of {} has a model that has been fitted.", o.run));
  fmt::print(
      "\nloss: mean over steps and members of {}\nmedian and 95 %: over the steps, of the members' "
      "mean; more snapshots: checkpoint.interval and checkpoint.keep\n",
      learner->model()->loss == EnsembleLoss::kGaussianNll
          ? "the mean over the targets of (mean - target)^2 exp(-logvar) + logvar"
          : "the mean over the targets of (prediction - target)^2");
}

// values over the steps of one episode
std::string figure(const std::string& title, const EpisodeValues& episode) {
  PlotSeries value{.name = "smaller critic", .x = {}, .y = episode.value};
  for (std::size_t t = 0; t < episode.value.size(); ++t) value.x.push_back(static_cast<double>(t));
  PlotSeries earned{.name = "earned from there on", .x = value.x, .y = episode.earned};
  return svg_plot({.title = title,
                   .x_label = "step of the episode",
                   .y_label = "discounted return with entropy",
                   .series = {value, earned}});
}

void print_value_errors(Stream& stream, const Learner& learner, const EvalOptions& o) {
  require_learned(learner.soft_actor_critic() != nullptr, learner, o, "--value-error",
                  "value of actions",
                  [](const Algorithm& algorithm) { return reads_section(algorithm, "sac"); });
  const std::vector<EpisodeValues> episodes = value_errors(stream, learner, o.num_value_episodes);

  // tenths of the longest episode, so that what happens before a fall stays visible
  std::size_t longest = 0, num_terminated = 0;
  for (const EpisodeValues& episode : episodes) {
    longest = std::max(longest, episode.value.size());
    num_terminated += episode.terminated;
  }
  if (longest == 0)
    throw DataError("eval --value-error: the simulator broke in the first step of each episode.");
  constexpr std::size_t kRows = 10;
  const std::size_t steps_per_row = (longest + kRows - 1) / kRows;
  fmt::print("\n{:>14}  {:>7}  {:>10}  {:>10}  {:>10}  {:>10}\n", "steps", "count", "value",
             "earned", "difference", "deviation");
  const auto print_row = [&](const std::string& name, std::size_t begin, std::size_t end) {
    std::vector<double> value, earned, difference;
    for (const EpisodeValues& episode : episodes)
      for (std::size_t t = begin; t < std::min(end, episode.value.size()); ++t) {
        value.push_back(episode.value[t]);
        earned.push_back(episode.earned[t]);
        difference.push_back(value.back() - earned.back());
      }
    const double mean = mean_of(difference), deviation = sample_std(difference);
    fmt::print("{:>14}  {:>7}  {:>10.4g}  {:>10.4g}  {:>10.4g}  {:>10.4g}\n", name, value.size(),
               mean_of(value), mean_of(earned), mean, deviation);
    return std::pair(mean / std::abs(mean_of(earned)), deviation / std::abs(mean_of(earned)));
  };
  print_row("first", 0, 1);
  for (std::size_t begin = 0; begin < longest; begin += steps_per_row)
    print_row(fmt::format("{} to {}", begin, std::min(begin + steps_per_row, longest) - 1), begin,
              begin + steps_per_row);
  const auto [bias, deviation] = print_row("all", 0, longest);
  fmt::print(
      "\n{} fresh episodes of the stochastic policy, {} of them terminated, the longest of {} "
      "steps\n"
      "value: the smaller critic's; earned: discounted return from there on with the policy's "
      "entropy\nnormalized bias {:.2f} %, deviation {:.2f} %\n",
      episodes.size(), num_terminated, longest, 100.0 * bias, 100.0 * deviation);
  if (!o.svg.empty()) {
    const std::string title = fmt::format("{} after {} steps, one episode",
                                          learner.config().env.name, learner.env_steps());
    write_figure(o.svg, figure(title, episodes.front()));
  }
}

// the config of a run that trains controllers
Config controller_run_config(const EvalOptions& o) {
  const std::filesystem::path file = std::filesystem::path(o.run) / "config.json";
  std::error_code unknown;
  if (!std::filesystem::exists(file, unknown))
    throw DataError(fmt::format(
        "eval --controller-null: {} is not a run directory; expected that of an autombpo run, "
        "runs/<name>/<hash>/seed-<n>.",
        o.run));
  Config config = load_config(file);
  if (find_algorithm(config.algorithm).make != nullptr)
    throw ConfigError(fmt::format(
        "eval --controller-null: {} was made by {}, which trains no controller; expected a run of "
        "autombpo.",
        o.run, config.algorithm));
  return config;
}

// what an AutoMBPO run's controller did beside controllers that had nothing to learn
void print_controller_null(Stream& stream, const Config& config, const EvalOptions& o) {
  std::filesystem::path path = std::filesystem::absolute(o.run).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  // runs/<name>/<hash>/seed-<n>
  const std::filesystem::path root = path.parent_path().parent_path().parent_path();
  const ControllerNull found =
      controller_null(stream, config, AutoMbpoFolder(path), root, o.num_controllers);
  fmt::print(
      "\nThe best controller in {} runs of the evaluation, beside {} controllers that the same "
      "stages trained on returns\nthat no choice changes.\n\n{:<44}  {:>7}  {:>7}  {:>7}  {:>17}  "
      "{:>7}\n",
      found.num_runs, found.null.size(), "per decision", "run", "mean", "sd", "range", "in sd");
  const auto print_drift = [&](const char* name, double Drift::*field) {
    fmt::print("{}", drift_line(name, field, found));
  };
  print_drift("real ratio, factors of controller.ratio_factor", &Drift::real_ratio);
  print_drift("updates per step", &Drift::updates_per_step);
  print_drift("rollout length", &Drift::rollout_length);
  print_drift("share of model fits", &Drift::share_of_fits);
  fmt::print(
      "\nin sd: the run's difference from the mean of the others, in their standard "
      "deviations.\n");
}

// The runs of one config, of which checkpoints are: their mean may be taken.
void require_one_config(const std::vector<std::filesystem::path>& checkpoints,
                        const EvalOptions& o) {
  std::vector<std::filesystem::path> tables;
  for (const std::filesystem::path& checkpoint : checkpoints)
    tables.push_back(checkpoint.parent_path().parent_path() / "metrics.csv");
  const std::vector<RunGroup> groups = group_tables(tables);
  if (groups.size() == 1) return;
  std::string list;
  for (const RunGroup& group : groups)
    list += fmt::format("{}{} ({} run{}, such as {})", list.empty() ? "" : "; ", group.label,
                        group.tables.size(), group.tables.size() == 1 ? "" : "s",
                        printable(group.tables.front().parent_path().string()));
  throw DataError(fmt::format(
      "eval: {} holds runs of {} configs, over which a mean says nothing; they differ in {}: {}. "
      "Name a folder with the runs of one.",
      printable(o.run), groups.size(), difference_text(groups), list));
}

// a policy trained in another format is evaluated in one that every CPU has
DeviceConfig device_of(const Config& config, const EvalOptions& o) {
  DeviceConfig device = config.device;
  if (select_device(o.device).kind == Device::Kind::kCpu) device.precision = "fp32";
  return device;
}

// one line for each seed, then all of them together, as `compare` summarizes an arm
class SeedTable {
 public:
  explicit SeedTable(const EvalOptions& o) : o_(o) {}

  void add(Stream& stream, const std::filesystem::path& checkpoint, const Config& config) {
    const auto learner = make_learner(config, stream, {});
    load_checkpoint(checkpoint, *learner, config, CheckpointUse::kEvaluate);
    require_acting(*learner, o_);
    if (o_.stochastic) require_exploring(*learner, o_);
    const Evaluation evaluation = learner->evaluate(o_.num_episodes);
    if (means_.empty()) {
      fmt::print("{} episodes of {} for each run in {}\n\n", o_.num_episodes, config.env.name,
                 printable(o_.run));
      fmt::print("{:>4} {:>8} {:>9} {:>8} {:>6}{}\n", "seed", "step", "return", "sd", "length",
                 o_.stochastic ? " explores" : "");
    }
    std::string explores;
    if (o_.stochastic) {
      explored_.push_back(mean_of(explore(stream, *learner, o_).returns));
      explores = fmt::format(" {:>8.2f}", explored_.back());
    }
    means_.push_back(evaluation.mean_return());
    episodes_.insert(episodes_.end(), evaluation.returns.begin(), evaluation.returns.end());
    num_broken_ += evaluation.num_broken;
    fmt::print("{:>4} {:>8} {:>9.2f} {:>8.2f} {:>6.0f}{}\n", config.seed, learner->env_steps(),
               evaluation.mean_return(), evaluation.std_return(), evaluation.mean_length(),
               explores);
  }

  bool empty() const { return means_.empty(); }

  void print_summary() const {
    if (num_broken_ > 0)
      fmt::print("{} episodes ended early because the simulator became unstable\n", num_broken_);
    fmt::print("\n");
    print_pool(fmt::format("{} runs", means_.size()), means_);
    if (o_.stochastic) print_pool("as they explore", explored_);
    fmt::print("{} episodes: mean {:.2f}, sd {:.2f}\n", episodes_.size(), mean_of(episodes_),
               sample_std(episodes_));
  }

 private:
  static void print_pool(const std::string& name, const std::vector<double>& means) {
    const Summary s = summarize(means);
    fmt::print(
        "{}: mean {:.2f}, sd {:.2f}, IQM {:.2f}\n  95 % interval of the mean {:.2f} to {:.2f}\n",
        name, s.mean, s.std, s.interquartile_mean, s.interval.low, s.interval.high);
  }

  const EvalOptions& o_;
  std::vector<double> means_, explored_, episodes_;
  int num_broken_ = 0;
};

void print_seeds(const std::vector<std::filesystem::path>& checkpoints, const EvalOptions& o) {
  require_one_config(checkpoints, o);
  ThreadPool pool(o.num_threads > 0 ? o.num_threads : available_cores());
  std::unique_ptr<OpenDevice> device;
  SeedTable table(o);
  std::exception_ptr first;
  for (const std::filesystem::path& checkpoint : checkpoints) {
    try {
      const Config config = checkpoint_config(checkpoint);
      if (device == nullptr)
        device = std::make_unique<OpenDevice>(o.device, device_of(config, o), pool);
      table.add(device->stream, checkpoint, config);
    } catch (const DataError& error) {
      if (first == nullptr) first = std::current_exception();
      print_to(stderr, fmt::format("warning: left out: {}\n", printable(error.what())));
    }
  }
  if (table.empty()) std::rethrow_exception(first);
  table.print_summary();
}

}  // namespace

void add_eval(CLI::App& program) {
  const auto o = std::make_shared<EvalOptions>();
  CLI::App* eval = program.add_subcommand(
      "eval", "Evaluate the policy of a run or checkpoint, its model or its critics");
  eval->add_option(
          "run", o->run,
          "a run, one of its checkpoints, or a folder of runs over seeds; runs/ may be left out")
      ->required();
  eval->add_option("--episodes", o->num_episodes, "number of episodes")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  eval->add_flag("--stochastic", o->stochastic,
                 "the return of the policy as it explores too, beside that of its mean action");
  eval->add_option("--device", o->device, "auto, cpu or cuda:N")->capture_default_str();
  eval->add_option("--threads", o->num_threads, "host threads; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  CLI::Option* model_error =
      eval->add_option("--model-error", o->num_transitions,
                       "errors of the learned model on N fresh transitions instead of episodes")
          ->expected(0, 1)
          ->type_name("[N]")
          ->check(CLI::Range(1, 10000000))
          ->default_str("10000");
  CLI::Option* open_loop =
      eval->add_option("--open-loop", o->horizon,
                       "what the model predicts for K steps from one state on, beside what came")
          ->expected(0, 1)
          ->type_name("[K]")
          ->check(CLI::Range(1, 10000))
          ->default_str("30")
          ->excludes(model_error);
  CLI::Option* model_nll =
      eval->add_flag("--model-nll", o->model_nll,
                     "the loss of each saved model of the run on the steps of --trajectories")
          ->excludes(model_error)
          ->excludes(open_loop);
  eval->add_option(
          "--trajectories", o->trajectories,
          "steps to measure models on: files of --save-trajectories, or replay.safetensors "
          "of a checkpoint")
      ->type_name("FILE...");
  CLI::Option* bank =
      eval->add_option(
              "--save-trajectories", o->bank,
              "write the fresh episodes of --episodes to this file, in place of an evaluation")
          ->type_name("FILE")
          ->excludes(model_error)
          ->excludes(open_loop)
          ->excludes(model_nll);
  CLI::Option* episodes = eval->get_option("--episodes");
  CLI::Option* video =
      eval->add_option(
              "--video", o->video,
              "film a fresh episode, or --episodes of them, and write it to this file, .mp4, "
              ".mkv, .mov, .webm or .gif")
          ->type_name("FILE");
  CLI::Option* frames = eval->add_option("--frames", o->frames,
                                         "the same as a folder of pictures, 000000.png and so on")
                            ->type_name("DIR")
                            ->excludes(video);
  CLI::Option* size = eval->add_option("--size", o->size, "pixels of the film")
                          ->type_name("WxH")
                          ->capture_default_str();
  eval->add_option("--csv", o->csv, "the numbers of --open-loop as a table")->type_name("FILE");
  CLI::Option* value_error =
      eval->add_option("--value-error", o->num_value_episodes,
                       "the critics' values beside what N fresh episodes earn, instead of episodes")
          ->expected(0, 1)
          ->type_name("[N]")
          ->check(CLI::Range(1, 100000))
          ->default_str("10")
          ->excludes(model_error)
          ->excludes(open_loop)
          ->excludes(model_nll);
  CLI::Option* controller_null =
      eval->add_option(
              "--controller-null", o->num_controllers,
              "what an AutoMBPO run's controller did beside N controllers that were trained "
              "where nothing could be learned")
          ->expected(0, 1)
          ->type_name("[N]")
          ->check(CLI::Range(2, 10000))
          ->default_str("40")
          ->excludes(model_error)
          ->excludes(open_loop)
          ->excludes(model_nll)
          ->excludes(value_error);
  // a film is no evaluation, and nothing else is done beside it
  for (CLI::Option* film : {video, frames})
    for (CLI::Option* other : {model_error, open_loop, model_nll, bank, value_error,
                               controller_null, eval->get_option("--stochastic")})
      film->excludes(other);
  eval->add_option(
      "--svg", o->svg,
      "draw the histogram of the model's errors, predicted and real trajectories, or the values "
      "along one episode, into this file, .svg or .png");
  eval->callback([=] {
    o->run = named_run(o->run);
    const bool draws = model_error->count() + value_error->count() + open_loop->count() > 0;
    if (!o->svg.empty() && !draws)
      throw ConfigError(
          "eval --svg: there is nothing to draw; add --model-error, --open-loop or --value-error.");
    if (!o->csv.empty() && open_loop->count() == 0)
      throw ConfigError("eval --csv: there is no table to write; add --open-loop.");
    if (o->model_nll && o->trajectories.empty())
      throw ConfigError(
          "eval --model-nll: there are no steps to measure the model on; add --trajectories FILE, "
          "which `mbrl_gpu eval RUN --save-trajectories FILE` writes.");
    if (!o->trajectories.empty() && !o->model_nll && open_loop->count() == 0)
      throw ConfigError("eval --trajectories: nothing reads them; add --model-nll or --open-loop.");
    if (o->trajectories.size() > 1 && open_loop->count() > 0)
      throw ConfigError("eval --open-loop predicts along one file of --trajectories; name one.");
    if (!o->svg.empty()) check_figure_name(o->svg);
    // before hours of episodes, not after them
    for (const std::string* file : {&o->svg, &o->csv, &o->bank})
      if (!file->empty()) check_writable(*file);
    const bool films = video->count() + frames->count() > 0;
    if (size->count() > 0 && !films)
      throw ConfigError("eval --size: nothing is filmed; add --video FILE or --frames DIR.");
    if (films && episodes->count() == 0) o->num_episodes = 1;
    if (controller_null->count() > 0) {
      ThreadPool pool(o->num_threads > 0 ? o->num_threads : available_cores());
      const Config config = controller_run_config(*o);
      OpenDevice device(o->device, config.device, pool);
      print_controller_null(device.stream, config, *o);
      return;
    }
    const bool pools = !draws && !o->model_nll && o->bank.empty() && !films;
    const std::vector<std::filesystem::path> checkpoints = find_checkpoints(o->run);
    if (checkpoints.size() > 1 && pools) return print_seeds(checkpoints, *o);
    const std::filesystem::path path = find_checkpoint(o->run);
    const Config config = checkpoint_config(path);
    ThreadPool pool(o->num_threads > 0 ? o->num_threads : available_cores());
    OpenDevice device(o->device, device_of(config, *o), pool);
    if (o->model_nll) return print_model_nll(device.stream, config, *o);
    const auto learner = make_learner(config, device.stream, {});
    load_checkpoint(path, *learner, config, CheckpointUse::kEvaluate);
    if (o->stochastic) require_exploring(*learner, *o);
    if (open_loop->count() == 0 && model_error->count() == 0) require_acting(*learner, *o);
    fmt::print("checkpoint {}\nenvironment {}\n", path.string(), config.env.name);
    if (open_loop->count() > 0) {
      print_open_loop(device.stream, *learner, *o);
    } else if (films) {
      make_film(device.stream, *learner, *o);
    } else if (!o->bank.empty()) {
      save_trajectories(device.stream, *learner, *o);
    } else if (model_error->count() > 0) {
      print_model_errors(device.stream, *learner, *o);
    } else if (value_error->count() > 0) {
      print_value_errors(device.stream, *learner, *o);
    } else {
      print_episodes(*learner, o->num_episodes);
      if (o->stochastic) print_stochastic_returns(device.stream, *learner, *o);
    }
  });
}

}  // namespace mbrl

#include "host/tune/scheduled_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/printable.h"
#include "envs/env.h"
#include "host/algo/checks.h"
#include "host/algo/hyperparameters.h"
#include "host/algo/keys_read.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/algo/resolve_config.h"
#include "host/io/archive.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/run/open_device.h"
#include "host/tune/autombpo/steered_run.h"

namespace mbrl {

ScheduleReplay::ScheduleReplay(ScheduleFile schedule) : schedule_(std::move(schedule)) {
  for (const SchedulePoint& point : schedule_.points)
    for (const auto& [key, value] : point.values.items())
      if (std::find(keys_.begin(), keys_.end(), key) == keys_.end()) keys_.push_back(key);
}

void ScheduleReplay::set_state(const nlohmann::json& state) {
  num_trials_ = json_number<std::int64_t>(state.at("trials"), "trials", 0, kMaxCount);
}

void ScheduleReplay::open(const std::filesystem::path& folder, std::int64_t resume_env_steps) {
  std::vector<std::string> columns{"env_steps"};
  columns.insert(columns.end(), keys_.begin(), keys_.end());
  // the row of this very step is written again: a member that goes back in time has other values now
  table_ = std::make_unique<CsvWriter>(folder / table(), columns, resume_env_steps - 1);
  recorded_.clear();
  if (resume_env_steps < 0) return;
  try {
    std::vector<double> last;
    for (const std::string& key : keys_) last.push_back(read_curve(folder / table(), key).y.back());
    recorded_ = last;
  } catch (const NoRows&) {
  }
}

bool ScheduleReplay::before_step(Learner& learner) {
  const std::int64_t now = schedule_.unit == "trials" ? num_trials_ : learner.env_steps();
  if (now < next_at_) return true;
  std::vector<Hyperparameter> all = learner.hyperparameters();
  // the first call brings the values of all points before it, too
  for (; next_ < schedule_.points.size() && schedule_.points[next_].at <= now; ++next_)
    for (const auto& [key, value] : schedule_.points[next_].values.items())
      find_hyperparameter(all, key).set(as_number(*find_field(key), value));
  next_at_ = next_ < schedule_.points.size() ? schedule_.points[next_].at
                                             : std::numeric_limits<std::int64_t>::max();
  std::vector<double> values;
  for (const std::string& key : keys_) values.push_back(find_hyperparameter(all, key).get());
  if (values == recorded_) return true;
  recorded_ = values;
  values.insert(values.begin(), static_cast<double>(learner.env_steps()));
  table_->append(values);
  return true;
}

nlohmann::json replay_message(const ScheduleFile& schedule) {
  // as text: keys keep their order, which is that of the table's columns
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const SchedulePoint& point : schedule.points) points.push_back({point.at, point.values});
  return {{"replay", points.dump()},
          {"algorithm", schedule.algorithm},
          {"unit", schedule.unit},
          {"end", schedule.end}};
}

bool is_replay(const nlohmann::json& message) { return message.contains("replay"); }

std::unique_ptr<Schedule> make_replay(const nlohmann::json& message) {
  ScheduleFile schedule{.algorithm = message.at("algorithm").get<std::string>(),
                        .unit = message.at("unit").get<std::string>(),
                        .end = message.at("end").get<std::int64_t>()};
  const auto points = nlohmann::ordered_json::parse(message.at("replay").get<std::string>());
  for (const nlohmann::ordered_json& point : points)
    schedule.points.push_back({point.at(0).get<std::int64_t>(), point.at(1)});
  return std::make_unique<ScheduleReplay>(std::move(schedule));
}

void make_room(Config& config, const std::vector<KeyValues>& values, const std::string& origin) {
  const auto raise = [&](const std::string& key, int now, int& most) {
    int wanted = 0;
    for (const KeyValues& some : values)
      if (some.contains(key)) wanted = std::max(wanted, some.at(key).get<int>());
    if (wanted <= std::max(now, most)) return;
    if (most > 0)
      throw ConfigError(fmt::format(
          "{}: {} becomes {}, more than planner.max_{}, which is {}. Raise that, or leave it at 0: "
          "it is as large as needed then.",
          origin, key, wanted, key.substr(key.find('.') + 1), most));
    most = wanted;
  };
  PlannerConfig& planner = config.planner;
  raise("planner.population", planner.population, planner.max_population);
  raise("planner.horizon", planner.horizon, planner.max_horizon);
  raise("planner.particles", planner.particles, planner.max_particles);
}

namespace {

// what a run is after each point, checked as the run itself is
void check_points(const ScheduleFile& schedule, Config config, const EnvSpec& env,
                  const std::string& name) {
  std::vector<Hyperparameter> keys = live_keys(config);
  const bool plans = reads_section(find_algorithm(config.algorithm), "planner");
  for (std::size_t i = 0; i < schedule.points.size(); ++i) {
    for (const auto& [key, value] : schedule.points[i].values.items())
      find_hyperparameter(keys, key).set(as_number(*find_field(key), value));
    const std::string place = fmt::format("{}: points[{}]", name, i);
    check_run(config, place);
    if (plans) check_searches(config, env, requirement(place));
  }
}

}  // namespace

void follow_files(RunOptions& options) {
  follow_controller(options);
  Config& config = options.config;
  if (config.schedule.empty()) return;
  const std::string name = printable(config.schedule);
  ScheduleFile schedule = read_schedule(config.schedule);
  std::vector<KeyValues> all;
  for (const SchedulePoint& point : schedule.points) {
    for (const auto& [key, value] : point.values.items()) require_changeable(config, key, name);
    all.push_back(point.values);
  }
  make_room(config, all, name);
  const EnvSpec env = make_env(config.env)->spec();
  check_points(schedule, config, env, name);
  const bool in_trials = schedule.unit == "trials";
  // where trials are what is evaluated, nothing else is every so many steps
  if (in_trials && is_read(config, *find_field("eval.interval")))
    throw ConfigError(
        fmt::format("{}: its unit is trials, and algorithm {} has none. Give it in steps.", name,
                    config.algorithm));
  const int chosen = config.env.max_episode_steps;
  const std::int64_t length = !in_trials ? 1 : chosen > 0 ? chosen : env.max_episode_steps;
  if (schedule.end > 0 && config.loop.num_env_steps > schedule.end * length)
    throw ConfigError(fmt::format(
        "{}: the schedule is shorter than the run: it ends after {} {}, and the run has {} env "
        "steps. Set loop.num_env_steps={}, or raise \"end\" in the file: its last values hold to "
        "the end then.",
        name, schedule.end, schedule.unit, config.loop.num_env_steps, schedule.end * length));
  options.make_schedule = [schedule = std::move(schedule)](const Config&, OpenDevice&) {
    return std::make_unique<ScheduleReplay>(schedule);
  };
}

}  // namespace mbrl

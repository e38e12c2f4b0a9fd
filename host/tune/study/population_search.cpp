#include "host/tune/study/population_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/printable.h"
#include "envs/env.h"
#include "host/algo/keys_read.h"
#include "host/algo/resolve_config.h"
#include "host/config/search_methods.h"
#include "host/io/checkpoint.h"
#include "host/io/crc32c.h"
#include "host/io/curves.h"
#include "host/io/json_file.h"
#include "host/io/output_file.h"
#include "host/run/signals.h"
#include "host/tune/ranks.h"
#include "host/tune/scheduled_run.h"
#include "host/tune/study/space_checks.h"
#include "host/tune/training_member.h"

namespace mbrl {
namespace {

// of a learner's values in a checkpoint those that belong to its weights: counts of updates, elites
// of the ensemble, a search's last plan
const std::vector<std::string> kLearnedValues{"model", "plan", "num_updates"};

// The newest checkpoint of a folder by its name; nothing if there is none. What its files hold is looked
// at by who loads it.
std::optional<std::filesystem::path> newest_in(const std::filesystem::path& folder) {
  std::optional<std::filesystem::path> newest;
  std::error_code absent;
  for (std::filesystem::directory_iterator entry(folder, absent), last; !absent && entry != last;
       entry.increment(absent))
    if (entry->path().filename().string().starts_with("step-") &&
        (!newest || entry->path() > *newest))
      newest = entry->path();
  return newest;
}

// a checkpoint as no other is called: its step and the checksums of what it holds
std::string name_of(const std::optional<std::filesystem::path>& checkpoint) {
  std::error_code absent;
  if (!checkpoint || !std::filesystem::exists(*checkpoint / "DONE", absent)) return "over none\n";
  return fmt::format("over {} {:08x}\n", checkpoint->filename().string(),
                     crc32c(read_file(*checkpoint / "DONE")));
}

std::int64_t longest_episode(const Config& base) {
  return base.env.max_episode_steps > 0 ? base.env.max_episode_steps
                                        : make_env(base.env)->spec().max_episode_steps;
}

std::int64_t evaluation_interval(const Config& base) {
  return is_read(base, *find_field("eval.interval")) ? base.eval.interval : longest_episode(base);
}

std::int64_t exploration(const Config& base) {
  return is_read(base, *find_field("loop.num_exploration_steps")) ? base.loop.num_exploration_steps
                                                                  : 0;
}

}  // namespace

// ---- states

std::filesystem::path FolderExchange::member(int member) const {
  return study_ / "members" / fmt::format("{:04}", member);
}

std::filesystem::path FolderExchange::state(int member, int number) const {
  return study_ / "states" / fmt::format("{:04}-{:04}", member, number);
}

bool FolderExchange::has_come_to(int member, std::int64_t step) const {
  const auto newest = newest_in(this->member(member) / "checkpoints");
  return newest && newest->filename().string() >= fmt::format("step-{:09}", step);
}

void FolderExchange::keep(int member, int number) {
  const auto newest = newest_in(this->member(member) / "checkpoints");
  if (!newest)
    throw DataError(fmt::format(
        "{} has no checkpoint, and others are to go on from it. Put the folder back from a copy, or "
        "begin another study with --study DIR.",
        this->member(member).string()));
  not_on_disk_.push_back(link_checkpoint(*newest, state(member, number), OnDisk::kInTime));
}

void FolderExchange::sync() {
  for (const std::filesystem::path& kept : not_on_disk_) {
    sync_folder(kept);
    sync_folder(kept.parent_path());
  }
  if (!not_on_disk_.empty()) sync_folder(study_ / "states");
  not_on_disk_.clear();
}

// The mark is not on the disk before the copy is, nor after it: after a power failure either may be
// there alone. So it names the checkpoint that was there before, which then still is the newest; what
// is damaged is copied again as well.
void FolderExchange::take(int member, const Slice& from, const std::string& mark) {
  const std::filesystem::path checkpoints = this->member(member) / "checkpoints",
                              file = this->member(member) / "copied";
  const auto source = newest_in(state(from.member, from.number)), own = newest_in(checkpoints);
  const std::string text = mark + name_of(own);
  std::error_code absent;
  if (std::filesystem::exists(file, absent)) {
    const std::string before = read_file(file);
    if (before.starts_with(mark) && before != text &&
        latest_checkpoint(checkpoints, [](const std::string&) {}))
      return;
  }
  if (!source || (weights_only_ && !own))
    throw DataError(fmt::format(
        "{} holds no state of a member, which member {} is to take over. Put the folder back from a "
        "copy, or begin another study with --study DIR.",
        (source ? checkpoints : state(from.member, from.number)).string(), member));
  // anew: file systems hurry to write a file that was cut off
  std::filesystem::remove(file, absent);
  const auto discard = [this](const std::filesystem::path& folder) {
    return discards_.discard(folder);
  };
  // what it is grafted on is nowhere else
  if (weights_only_)
    graft_checkpoint(*own, *source, kLearnedValues, checkpoints, discard);
  else
    link_checkpoint(*source, checkpoints, OnDisk::kInTime, discard);
  OutputFile marked(file, OutputFile::Mode::kTruncate, text.size());
  marked.write(text);
  marked.close();
}

void FolderExchange::drop_all_but(const std::set<std::pair<int, int>>& states) {
  std::set<std::filesystem::path> kept;
  for (const auto& [member, number] : states) kept.insert(state(member, number));
  std::error_code error;
  std::vector<std::filesystem::path> gone;
  for (std::filesystem::directory_iterator entry(study_ / "states", error), last;
       !error && entry != last; entry.increment(error))
    if (!kept.contains(entry->path())) gone.push_back(entry->path());
  for (const std::filesystem::path& folder : gone) drop(folder);
}

void FolderExchange::drop_checkpoints(int member) { drop(this->member(member) / "checkpoints"); }

void FolderExchange::drop(const std::filesystem::path& folder) {
  if (const std::error_code error = discards_.discard(folder))
    warn_(fmt::format("{} is no longer needed and cannot be removed: {}.", folder.string(),
                      error.message()));
}

// ---- what a population is

std::int64_t ExchangeTimes::after(std::int64_t step, std::int64_t num_steps) const {
  if (step < first) return std::min(first, num_steps);
  return std::min(first + ((step - first) / interval + 1) * interval, num_steps);
}

ExchangeTimes exchange_times(const Config& config, const Config& base) {
  const std::int64_t evaluation = evaluation_interval(base);
  return {.first = config.pbt.first > 0 ? config.pbt.first : exploration(base) + 6 * evaluation,
          .interval = config.pbt.interval > 0 ? config.pbt.interval : 5 * evaluation};
}

void check_population(const Config& config, const Config& base, const std::string& name) {
  const std::string& method = config.tune.method;
  const auto require = [&](bool holds, const std::string& text) {
    if (!holds) throw ConfigError(fmt::format("{}: {}", printable(name), text));
  };
  for (const SearchDimension& d : config.tune.space.dimensions)
    require_changeable(base, d.key,
                       fmt::format("{}: tune.space (tune.method={})", printable(name), method));
  require(base.schedule.empty() && base.controller.file.empty(),
          fmt::format("{} changes values during a run, and so does {}. Leave that out.", method,
                      base.schedule.empty() ? "controller.file" : "schedule"));
  require(config.tune.seeds == 1,
          fmt::format("tune.seeds is {}; a member of {} is one run. Set tune.seeds=1, and search "
                      "with several values of seed.",
                      config.tune.seeds, method));
  require(
      config.tune.trials > 1,
      fmt::format("tune.trials is {}; a population has two members at least.", config.tune.trials));
  const ExchangeTimes times = exchange_times(config, base);
  const std::int64_t evaluated = exploration(base) + evaluation_interval(base);
  require(
      times.first >= evaluated,
      fmt::format("pbt.first is {}, before a member's first evaluation at step {}. Raise it, or "
                  "lower eval.interval.",
                  times.first, evaluated));
  require(times.first < base.loop.num_env_steps,
          fmt::format("the first exchange is after {} steps (pbt.first), and a whole run has {} "
                      "(loop.num_env_steps), so that nobody learns from another. Lower pbt.first "
                      "or eval.interval.",
                      times.first, base.loop.num_env_steps));
  if (!search_method(method).has_parts) return;
  const auto parts = static_cast<int>(config.pbt.frequencies.size());
  require(config.tune.trials % (4 * parts) == 0,
          fmt::format("tune.trials is {}; mf_pbt divides them into the {} sub-populations of "
                      "pbt.frequencies, and each of those into quarters. Set a multiple of {}.",
                      config.tune.trials, parts, 4 * parts));
  require(config.pbt.mode == "synchronous",
          "mf_pbt compares all members at the same step. Set pbt.mode=synchronous.");
  require(config.pbt.copy != "hyperparameters",
          "mf_pbt's migrants are states. Set pbt.copy=all or weights.");
}

PopulationRecord read_population(const Config& config, const Journal& journal,
                                 const std::vector<std::size_t>& trials) {
  std::vector<TrialValues> first;
  for (const std::size_t trial : trials) {
    TrialValues values;
    const auto& known = journal.trials().at(trial).values;
    for (const SearchDimension& d : config.tune.space.dimensions) {
      const auto value = known.find(d.key);
      if (value == known.end())
        throw DataError(fmt::format("{}: trial {} has no value of {}. Is it another program's?",
                                    journal.path().string(), trial, d.key));
      values.push_back(value->second);
    }
    first.push_back(std::move(values));
  }
  PopulationRecord record(config.tune.space, first, config.loop.num_env_steps,
                          config.pbt.copy != "hyperparameters");
  using_file(journal.path(), [&] {
    for (const auto& line : journal.exchanges()) record.replay(line);
  });
  return record;
}

// ---- the search

// one slice of a member in a round of all
class PopulationSearch::Round : public Member {
 public:
  Round(PopulationSearch& search, int member)
      : search_(search), member_(member), label_(fmt::format("member {}", member)) {}
  const std::string& label() const override { return label_; }
  void run(std::int64_t, OpenDevice& device, ProgressSink& progress) override {
    result_ = search_.train(member_, [&](TrainingMember& learner, std::int64_t until) {
      learner.run(until, device, progress);
    });
  }
  bool can_travel() const override { return true; }
  void run_at(RankSlot& slot, std::int64_t, ProgressSink& progress) override {
    result_ = search_.train(member_, [&](TrainingMember& learner, std::int64_t until) {
      learner.run_at(slot, until, progress);
    });
  }
  void copy_from(const Member&) override {}
  void failed(const std::string&) override {}
  const std::optional<SliceResult>& result() const { return result_; }

 private:
  PopulationSearch& search_;
  int member_;
  std::string label_;
  std::optional<SliceResult> result_;
};

// slices of the members that are furthest behind, one after the other
class PopulationSearch::Worker : public Member {
 public:
  explicit Worker(PopulationSearch& search) : search_(search) {}
  const std::string& label() const override { return label_; }
  void run(std::int64_t, OpenDevice& device, ProgressSink& progress) override {
    train(
        [&](TrainingMember& learner, std::int64_t until) { learner.run(until, device, progress); });
  }
  bool can_travel() const override { return true; }
  void run_at(RankSlot& slot, std::int64_t, ProgressSink& progress) override {
    train([&](TrainingMember& learner, std::int64_t until) {
      learner.run_at(slot, until, progress);
    });
  }
  void copy_from(const Member&) override {}
  void failed(const std::string&) override {}

 private:
  void train(const Run& run) {
    for (;;) {
      int member = -1;
      {
        const std::lock_guard<std::mutex> lock(search_.mutex_);
        const std::optional<int> next = search_.next_member();
        if (!next || stop_requested()) return;
        member = *next;
        search_.busy_[static_cast<std::size_t>(member)] = 1;
      }
      const std::optional<SliceResult> result = search_.train(member, run);
      const std::lock_guard<std::mutex> lock(search_.mutex_);
      search_.busy_[static_cast<std::size_t>(member)] = 0;
      if (!result) return;
      search_.conclude({*result});
    }
  }

  PopulationSearch& search_;
  std::string label_ = "members";
};

PopulationSearch::PopulationSearch(PopulationSearchOptions options, Journal& journal,
                                   std::vector<std::size_t> trials, Effort& effort)
    : options_(std::move(options)),
      journal_(journal),
      effort_(effort),
      trials_(std::move(trials)),
      member_config_(with_room(options_.base, options_.config.tune.space, "tune.space")),
      times_(exchange_times(options_.config, options_.base)),
      states_(std::make_unique<FolderExchange>(
          options_.folder, options_.config.pbt.copy == "weights", options_.warn)),
      record_(read_population(options_.config, journal, trials_)),
      busy_(trials_.size(), 0) {
  member_config_.seed = 0;
  // what pbt_bt sends back trains again, and all of it counts
  std::int64_t each = 0;
  for (std::int64_t step = 0; step < member_config_.loop.num_env_steps; ++each)
    step = times_.after(step, member_config_.loop.num_env_steps);
  num_slices_left_ = each * record_.size() - static_cast<std::int64_t>(record_.slices().size());
  if (num_slices_left_ < 0)
    throw DataError(fmt::format(
        "{} tells of {} slices of its members, and there are {}. Put the file back from a copy, or "
        "begin another study with --study DIR.",
        journal_.path().string(), record_.slices().size(), each * record_.size()));
}

bool PopulationSearch::go_together(const TrialValues& values) const {
  try {
    check_run(with_values(member_config_, options_.config.tune.space, values), "a member");
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

std::int64_t PopulationSearch::slice_end(int member) const {
  return times_.after(record_.seat(member).begin, member_config_.loop.num_env_steps);
}

std::string PopulationSearch::mark(int member) const {
  const Seat& seat = record_.seat(member);
  return fmt::format("slice {} from slice {}\n", seat.num_slices, seat.parent);
}

// the evaluations of the slice that has ended; a copy's own table has rows from before that do not
// count
Returns PopulationSearch::new_returns(int member) const {
  const Seat& seat = record_.seat(member);
  std::int64_t after = seat.begin;
  for (int id = seat.parent; id >= 0; id = record_.slice(id).parent)
    if (!record_.slice(id).returns.empty()) {
      after = std::max(after, record_.slice(id).returns.back().first);
      break;
    }
  Returns returns;
  try {
    const Curve curve = read_curve(states_->member(member) / "metrics.csv", "eval_return_mean");
    for (std::size_t i = 0; i < curve.x.size(); ++i)
      if (curve.x[i] > static_cast<double>(after))
        returns.emplace_back(static_cast<std::int64_t>(curve.x[i]), curve.y[i]);
  } catch (const NoRows&) {
  }
  return returns;
}

// nothing after a stop
std::optional<SliceResult> PopulationSearch::train(int member, const Run& run) {
  Seat seat;
  Slice from;
  std::vector<SchedulePoint> points;
  std::string mark;
  SliceResult result{.member = member};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    result.end = slice_end(member);
    seat = record_.seat(member);
    if (seat.is_copy) from = record_.slice(seat.parent);
    points = record_.next_schedule(member);
    mark = this->mark(member);
  }
  if (seat.is_copy) {
    const Timed own(effort_.own_s);
    states_->take(member, from, mark);
  }
  const std::string label = fmt::format("member {}", member);
  const ScheduleFile schedule{.algorithm = member_config_.algorithm, .points = points};
  TrainingMember learner(
      {.label = label,
       .folder = states_->member(member),
       .config = member_config_,
       .command = options_.command,
       .learner_index = static_cast<std::uint32_t>(member),
       .make_schedule = [&](OpenDevice&) { return std::make_unique<ScheduleReplay>(schedule); },
       .schedule_message = [&] { return replay_message(schedule); },
       .on_warning =
           [&](const std::string& text) {
             const std::lock_guard<std::mutex> lock(mutex_);
             options_.warn(label + ": " + text);
           },
       .in_place_elsewhere = false});
  try {
    {
      const Timed training(effort_.training_s);
      run(learner, result.end);
    }
    if (!states_->has_come_to(member, result.end)) return std::nullopt;
  } catch (const DivergedError& error) {
    result.error = error.what();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const Timed own(effort_.own_s);
  result.returns = new_returns(member);
  const auto is_finite = [](const auto& entry) { return std::isfinite(entry.second); };
  if (result.error.empty() && !std::all_of(result.returns.begin(), result.returns.end(), is_finite))
    result.error = "its return is not finite";
  std::erase_if(result.returns, [&](const auto& entry) { return !is_finite(entry); });
  return result;
}

// Slices have ended: who copies whom is decided, what others may go on from is kept, both are written
// down, and only then anything is copied.
void PopulationSearch::conclude(const std::vector<SliceResult>& results) {
  const Timed own(effort_.own_s);
  const std::vector<int> ended = record_.end(results);
  num_slices_left_ -= static_cast<std::int64_t>(ended.size());
  const std::vector<Exchange> all =
      exchanges({.config = options_.config,
                 .record = record_,
                 .num_steps = member_config_.loop.num_env_steps,
                 .go_together = [this](const TrialValues& v) { return go_together(v); }},
                ended);
  std::vector<Journal::Score> scores;
  for (const int id : ended)
    if (const Slice& slice = record_.slice(id); slice.score != kDead)
      scores.push_back({trials_[static_cast<std::size_t>(slice.member)], slice.end, slice.score});
  const nlohmann::ordered_json line = record_.to_json(results, all);
  for (const Exchange& exchange : all) record_.exchange(exchange);
  const std::set<std::pair<int, int>> needed = needed_states();
  for (const int id : ended)
    if (const Slice& slice = record_.slice(id);
        slice.score != kDead && needed.contains({slice.member, slice.number}))
      states_->keep(slice.member, slice.number);
  states_->sync();
  journal_.add_exchange(line, scores);
  states_->drop_all_but(needed);
}

// States that may still be copied: parents of slices to come, what others have not passed yet, and where
// pbt_bt may go back to.
std::set<std::pair<int, int>> PopulationSearch::needed_states() const {
  std::set<std::pair<int, int>> states;
  const auto need = [&](int id) {
    states.emplace(record_.slice(id).member, record_.slice(id).number);
  };
  std::int64_t behind = member_config_.loop.num_env_steps;
  for (int m = 0; m < record_.size(); ++m) {
    const Seat& seat = record_.seat(m);
    if (seat.over) continue;
    behind = std::min(behind, seat.begin);
    if (seat.is_copy) need(seat.parent);
  }
  const bool looks_back = search_method(options_.config.tune.method).looks_back;
  if (looks_back)
    for (const int id :
         elites(record_, options_.config.pbt.elites, member_config_.loop.num_env_steps))
      need(id);
  if (options_.config.pbt.mode == "synchronous") return states;
  for (std::size_t i = 0; i < record_.slices().size(); ++i) {
    const auto id = static_cast<int>(i);
    if (looks_back ? record_.last_slice(record_.slice(id).member) == id
                   : record_.slice(id).end > behind)
      need(id);
  }
  return states;
}

std::optional<int> PopulationSearch::next_member() const {
  if (num_slices_left_ - std::count(busy_.begin(), busy_.end(), 1) <= 0) return std::nullopt;
  std::optional<int> next;
  for (int m = 0; m < record_.size(); ++m)
    if (!record_.seat(m).over && busy_[static_cast<std::size_t>(m)] == 0 &&
        (!next || record_.seat(m).begin < record_.seat(*next).begin))
      next = m;
  return next;
}

bool PopulationSearch::run_synchronous(const PopulationOptions& options) {
  for (;;) {
    std::vector<int> pending;
    for (int m = 0; m < record_.size(); ++m)
      if (!record_.seat(m).over) pending.push_back(m);
    if (static_cast<std::int64_t>(pending.size()) > num_slices_left_)
      pending.resize(static_cast<std::size_t>(num_slices_left_));
    if (pending.empty()) return true;
    std::vector<std::unique_ptr<Member>> members;
    std::vector<const Round*> rounds;
    for (const int m : pending) {
      auto round = std::make_unique<Round>(*this, m);
      rounds.push_back(round.get());
      members.push_back(std::move(round));
    }
    Population population(std::move(members), options, options_.config.tune.method);
    population.run();
    std::vector<SliceResult> results;
    for (const Round* round : rounds)
      if (round->result()) results.push_back(*round->result());
    if (results.size() < pending.size()) return false;
    conclude(results);
    if (stop_requested()) return false;
  }
}

bool PopulationSearch::run_asynchronous(const PopulationOptions& options) {
  const int num_ranks = Ranks::current() != nullptr ? Ranks::current()->size() : 1;
  const int most = std::min(options.concurrent * num_ranks, record_.size());
  std::vector<std::unique_ptr<Member>> workers;
  for (int i = 0; i < most; ++i) workers.push_back(std::make_unique<Worker>(*this));
  return Population(std::move(workers), options, options_.config.tune.method).run();
}

bool PopulationSearch::run() {
  {
    const Timed own(effort_.own_s);
    for (int m = 0; m < record_.size(); ++m)
      if (record_.seat(m).num_slices == 0)
        check_run(with_values(member_config_, options_.config.tune.space, record_.seat(m).values),
                  fmt::format("member {}, whose values do not go together (narrow tune.space)", m));
    journal_.together([&] {
      for (const std::size_t trial : trials_) journal_.begin(trial);
    });
  }
  Config sized = member_config_;
  sized.population.concurrent = options_.concurrent;
  const PopulationOptions how{
      .device = options_.device,
      .precision = sized.device,
      .concurrent = std::min(record_.size(), concurrent_learners(sized, make_env(sized.env)->spec(),
                                                                 select_device(options_.device),
                                                                 options_.num_threads)),
      .num_threads = options_.num_threads,
      .config = member_config_};
  const bool ended =
      options_.config.pbt.mode == "synchronous" ? run_synchronous(how) : run_asynchronous(how);
  if (ended) finish();
  {
    const Timed own(effort_.own_s);
    states_->finish();
  }
  effort_.own_s += states_->thread_seconds();
  return ended;
}

// members end as trials; the best one's last state stays
void PopulationSearch::finish() {
  const Timed own(effort_.own_s);
  const int best = best_slice(record_, member_config_.loop.num_env_steps);
  journal_.together([&] {
    for (int m = 0; m < record_.size(); ++m) {
      const std::size_t trial = trials_[static_cast<std::size_t>(m)];
      if (journal_.trials()[trial].state != TrialState::kRunning) continue;
      const Slice& last = record_.slice(record_.last_slice(m));
      journal_.note(trial, record_.attributes(m, trials_));
      if (last.score == kDead)
        journal_.end(trial, TrialState::kFailed,
                     last.error.empty() ? "it has not been evaluated" : last.error);
      else
        journal_.end(trial, TrialState::kComplete, "", last.score);
    }
  });
  for (int m = 0; m < record_.size(); ++m)
    if (best < 0 || m != record_.slice(best).member) states_->drop_checkpoints(m);
  states_->drop_all_but({});
}

}  // namespace mbrl

#include "envs/process/process_env.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <numeric>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "base/shell_word.h"

namespace mbrl {
namespace {

constexpr int kMostFailures = 3;  // in a row
// far beyond any environment whose observations a network is to read
constexpr std::uint32_t kMostEntries = 1'000'000, kMostActions = 10'000, kMostText = 64u << 20;
constexpr int kUsualLimit = 1000;  // steps of an episode where the process sets no limit

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::string number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

std::vector<std::string> words_of(const EnvOptions& options) {
  if (options.command.empty())
    throw ConfigError(
        "env.name is process, but env.command is empty; give what starts the process, such as "
        "env.command=\"python3 -m mbrl_gpu.serve Pendulum-v1\".");
  std::string wrong;
  const std::vector<std::string> words = shell_split(options.command, wrong);
  if (!wrong.empty())
    throw ConfigError("env.command is " + options.command + ": " + wrong +
                      ". Quote it, or write sh -c '...'.");
  if (words.empty() || words.front().empty())
    throw ConfigError("env.command is \"" + options.command + "\", which names no program.");
  return words;
}

/// A failure that is the command's own: it never came to serve anything.
[[noreturn]] void refuse_command(const EnvOptions& options, const ProcessFailure& failure) {
  throw ConfigError(
      "env.command is " + printable(options.command) + ": " + failure_text(failure) +
      (failure.text.ends_with('.') && failure.last_words.empty() ? "" : ".") +
      (failure.fault == kRefused ? "" : " A server answers as docs/process_environments.md says."));
}

ProcessFailure nonsense(ChildProcess& process, const std::string& text) {
  return process.failure(kNonsense, text);
}

/// Reads what a process has answered to kOpen.
std::optional<ProcessFailure> read_greeting(ChildProcess& process, int num_envs,
                                            ProcessGreeting& greeting) {
  const std::span<const std::byte> reply = process.reply();
  protocol::Greeting head{};
  if (reply.size() < 2 * sizeof(std::uint32_t))
    return nonsense(process, "its greeting has only " + std::to_string(reply.size()) + " bytes");
  std::memcpy(&head, reply.data(), std::min(reply.size(), sizeof(head)));
  if (head.magic != protocol::kMagic)
    return nonsense(process, "its greeting does not begin with \"mbrl\"");
  if (head.version != protocol::kVersion)
    return nonsense(process, "it speaks version " + std::to_string(head.version) +
                                 " of the protocol, this program version " +
                                 std::to_string(protocol::kVersion) +
                                 "; take the server and the program of one release");
  const std::size_t S = head.observation_size, A = head.action_size;
  if (reply.size() < sizeof(head) || S < 1 || S > kMostEntries || A < 1 || A > kMostActions ||
      head.text_bytes > kMostText ||
      reply.size() != sizeof(head) + 2 * A * sizeof(float) + head.text_bytes)
    return nonsense(process, "its greeting of " + std::to_string(reply.size()) +
                                 " bytes announces observations of " + std::to_string(S) +
                                 " entries, actions of " + std::to_string(A) + " and " +
                                 std::to_string(head.text_bytes) +
                                 " bytes of text; expected 1 to " + std::to_string(kMostEntries) +
                                 " entries, 1 to " + std::to_string(kMostActions) +
                                 " actions, and as many bytes as they take");
  if (head.num_envs != static_cast<std::uint32_t>(num_envs))
    return nonsense(process, "it made " + std::to_string(head.num_envs) + " environments where " +
                                 std::to_string(num_envs) + " were asked for");
  greeting = {.observation_size = static_cast<int>(S),
              .action_size = static_cast<int>(A),
              .max_episode_steps =
                  static_cast<int>(std::min<std::uint32_t>(head.max_episode_steps, 1'000'000'000)),
              .serves_ends = (head.flags & protocol::kServesEnds) != 0,
              .low = std::vector<float>(A),
              .high = std::vector<float>(A)};
  const std::byte* at = reply.data() + sizeof(head);
  std::memcpy(greeting.low.data(), at, A * sizeof(float));
  std::memcpy(greeting.high.data(), at + A * sizeof(float), A * sizeof(float));
  const std::string text(reinterpret_cast<const char*>(at + 2 * A * sizeof(float)),
                         head.text_bytes);
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (greeting.entries.size() > S) break;
    if (greeting.name.empty() && greeting.entries.empty())
      greeting.name = printable(line);
    else
      greeting.entries.push_back(printable(line));
  }
  if (greeting.name.empty()) greeting.name = "process";
  if (!greeting.entries.empty() && greeting.entries.size() != S)
    return nonsense(process,
                    "its greeting names " +
                        (greeting.entries.size() > S ? "more than " + std::to_string(S)
                                                     : std::to_string(greeting.entries.size())) +
                        " entries of an observation that has " + std::to_string(S));
  return std::nullopt;
}

std::optional<ProcessFailure> send_open(ChildProcess& process, const EnvOptions& options,
                                        int num_envs) {
  const protocol::Open open{protocol::kMagic, protocol::kVersion,
                            static_cast<std::uint32_t>(num_envs), 0};
  return process.send(protocol::kOpen, {bytes_of(open)}, options.process.timeout);
}

std::optional<ProcessFailure> receive_greeting(ChildProcess& process, const EnvOptions& options,
                                               int num_envs, ProcessGreeting& greeting) {
  if (auto wrong = process.receive(ChildProcess::kAnySize, options.process.timeout)) return wrong;
  return read_greeting(process, num_envs, greeting);
}

std::string difference_text(const ProcessGreeting& now, const ProcessGreeting& before) {
  if (now.observation_size != before.observation_size || now.action_size != before.action_size)
    return "observations of " + std::to_string(now.observation_size) + " entries, actions of " +
           std::to_string(now.action_size) + "; before " + std::to_string(before.observation_size) +
           " and " + std::to_string(before.action_size);
  if (now.serves_ends != before.serves_ends)
    return now.serves_ends ? "it serves ends; before it did not"
                           : "it serves no ends; before it did";
  if (now.max_episode_steps != before.max_episode_steps)
    return "a time limit of " + std::to_string(now.max_episode_steps) + " steps; before " +
           std::to_string(before.max_episode_steps);
  if (now.name != before.name) return "the name " + now.name + "; before " + before.name;
  for (std::size_t i = 0; i < now.low.size(); ++i)
    if (now.low[i] != before.low[i] || now.high[i] != before.high[i])
      return "entry " + std::to_string(i) + " of its actions within " + number(now.low[i]) +
             " and " + number(now.high[i]) + "; before within " + number(before.low[i]) + " and " +
             number(before.high[i]);
  return "other names of the observation's entries";
}

/// The greeting of a process that is started again, which is to be that of the first one.
std::optional<ProcessFailure> receive_same_greeting(ChildProcess& process,
                                                    const EnvOptions& options, int num_envs,
                                                    const ProcessGreeting& before) {
  ProcessGreeting now;
  if (auto wrong = receive_greeting(process, options, num_envs, now)) return wrong;
  if (now == before) return std::nullopt;
  return nonsense(process,
                  "it does not say the same of itself as before: " + difference_text(now, before));
}

void check_bounds(const EnvOptions& options, const ProcessGreeting& greeting) {
  for (std::size_t i = 0; i < greeting.low.size(); ++i) {
    const float low = greeting.low[i], high = greeting.high[i];
    const std::string entry = "env.command is " + printable(options.command) + ": entry " +
                              std::to_string(i) + " of its actions is bounded by " + number(low) +
                              " and " + number(high);
    if (!std::isfinite(low) || !std::isfinite(high))
      throw ConfigError(
          entry +
          ". A policy acts within finite bounds: give the environment some, in Python "
          "with gymnasium.wrappers.RescaleAction or a Box with low and high, in "
          "another language in the greeting.");
    if (!(low < high)) throw ConfigError(entry + "; low must be below high.");
  }
}

/// What commands have said in this process, and a child of each that nobody uses yet.
struct Known {
  ProcessGreeting greeting;
  std::unique_ptr<ChildProcess> spare;  // with one environment open
};
std::mutex known_mutex;
std::map<std::string, Known>& known() {
  static std::map<std::string, Known> all;
  return all;
}

const ProcessGreeting& greet(const EnvOptions& options) {
  const auto found = known().find(options.command);
  if (found != known().end()) return found->second.greeting;
  Known one;
  one.spare = std::make_unique<ChildProcess>(words_of(options));
  auto wrong = send_open(*one.spare, options, 1);
  if (!wrong) wrong = receive_greeting(*one.spare, options, 1, one.greeting);
  if (wrong) refuse_command(options, *wrong);
  check_bounds(options, one.greeting);
  return known().emplace(options.command, std::move(one)).first->second.greeting;
}

std::unique_ptr<ChildProcess> take_spare(const EnvOptions& options) {
  const std::lock_guard lock(known_mutex);
  const auto found = known().find(options.command);
  return found == known().end() ? nullptr : std::move(found->second.spare);
}

EndBounds end_bounds(const EnvOptions& options, const ProcessGreeting& greeting) {
  const std::vector<float>& numbers = options.process.end_bounds;
  if (options.end != "bounds") {
    if (!numbers.empty())
      throw ConfigError("process.end_bounds is set, but env.end is " + options.end +
                        "; only env.end=bounds reads it.");
    return {};
  }
  if (numbers.empty() || numbers.size() % 3 != 0 || numbers.size() / 3 > EndBounds::kMaxEntries)
    throw ConfigError("process.end_bounds has " + std::to_string(numbers.size()) +
                      " numbers; env.end=bounds needs three for each entry of the observation that "
                      "ends an episode: index, low, high; up to " +
                      std::to_string(EndBounds::kMaxEntries) + " entries.");
  EndBounds bounds;
  for (std::size_t i = 0; i < numbers.size(); i += 3) {
    const float low = numbers[i + 1], high = numbers[i + 2];
    const int last = greeting.observation_size - 1;
    if (!(numbers[i] >= 0 && numbers[i] <= static_cast<float>(last)) ||
        numbers[i] != std::floor(numbers[i])) {
      std::string entries;
      constexpr std::size_t kMostNamed = 100;
      for (std::size_t k = 0; k < std::min(greeting.entries.size(), kMostNamed); ++k)
        entries += (k == 0 ? ": " : ", ") + std::to_string(k) + " " + greeting.entries[k];
      throw ConfigError("process.end_bounds names entry " + number(numbers[i]) +
                        " of the observation of " + greeting.name + ", which has entries 0 to " +
                        std::to_string(last) + entries + ".");
    }
    const int index = static_cast<int>(numbers[i]);
    if (!(low < high))
      throw ConfigError("process.end_bounds: entry " + std::to_string(index) + " has low " +
                        number(low) + " and high " + number(high) + "; low must be below high.");
    bounds.entry[bounds.count++] = {index, low, high};
  }
  return bounds;
}

EnvSpec spec_of(const EnvOptions& options, const ProcessGreeting& greeting) {
  if (options.end == "served" && !greeting.serves_ends)
    throw ConfigError("env.end is served, but " + greeting.name +
                      " serves no ends. Its process answers the message \"ends\" where its "
                      "environment has a function `ends(observations)`; or set env.end=learned, "
                      "bounds or never.");
  return {.name = "process",
          // imagined episodes end by bounds from the config, as those of a robot from a file
          .task = TaskId::kMjcf,
          .observation_size = greeting.observation_size,
          .action_size = greeting.action_size,
          .max_episode_steps =
              greeting.max_episode_steps > 0 ? greeting.max_episode_steps : kUsualLimit,
          .dt = 1.0,
          .simulator = "a process",
          .description = greeting.name + " of " + options.command,
          .end_bounds = end_bounds(options, greeting),
          .action_low = greeting.low,
          .action_high = greeting.high};
}

bool all_finite(const float* values, std::size_t count) {
  return std::all_of(values, values + count, [](float x) { return std::isfinite(x); });
}

/// One environment: a batch of one.
class ProcessEnv : public Env {
 public:
  explicit ProcessEnv(const EnvOptions& options) : batch_(options, 1, 1) {}

  const EnvSpec& spec() const override { return batch_.spec(); }

  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override {
    const std::uint8_t all = 1;
    const std::uint64_t drawn = process_seed(seed, episode);
    batch_.reset({&all, 1}, {&drawn, 1}, observation.data());
  }

  const std::string& last_failure() const { return batch_.last_failure(); }

  int state_size() const override { return 0; }
  void get_state(std::span<double>) const override {}
  void set_state(std::span<const double>) override {}

 private:
  StepResult do_step(std::span<const float> action, std::span<float> observation) override {
    const std::uint8_t all = 1;
    StepResult result;
    std::uint8_t flags = 0, fault = 0;
    batch_.step({&all, 1}, action.data(), observation.data(), &result.reward, &flags, &fault);
    result.terminated = (flags & protocol::kTerminated) != 0;
    result.truncated = (flags & protocol::kTruncated) != 0;
    result.broken = static_cast<Fault>(fault);
    return result;
  }

  ProcessBatch batch_;
};

}  // namespace

std::uint64_t process_seed(std::uint32_t seed, std::uint64_t episode) {
  // 31 bits: more than some languages' generators take are refused there
  return RandomKey{seed, purpose::kEnvReset}.bits(episode, 0).x >> 1;
}

float map_action(float action, float low, float high) {
  if (action >= 1.0f) return high;
  if (action <= -1.0f) return low;
  const double l = low, h = high;
  const double value = 0.5 * (l + h) + 0.5 * (h - l) * static_cast<double>(action);
  return static_cast<float>(std::clamp(value, l, h));
}

std::string ProcessGreeting::text() const {
  std::ostringstream text;
  text.precision(9);
  text << name << '\n'
       << observation_size << ' ' << action_size << ' ' << max_episode_steps << ' ' << serves_ends;
  for (const auto* list : {&low, &high}) {
    text << '\n';
    for (const float x : *list) text << ' ' << x;
  }
  for (const std::string& entry : entries) text << '\n' << entry;
  return text.str();
}

ProcessGreeting process_greeting(const EnvOptions& options) {
  const std::lock_guard lock(known_mutex);
  return greet(options);
}

ProcessBatch::ProcessBatch(const EnvOptions& options, int num_envs, int num_processes)
    : options_(options),
      greeting_(process_greeting(options)),
      spec_(spec_of(options, greeting_)),
      num_envs_(num_envs),
      workers_(static_cast<std::size_t>(std::clamp(num_processes, 1, num_envs))),
      whole_(static_cast<std::size_t>(num_envs), 0),
      lost_(static_cast<std::size_t>(num_envs), kNoFault) {
  const int M = static_cast<int>(workers_.size());
  for (int i = 0; i < M; ++i) {
    workers_[i].first = num_envs * i / M;
    workers_[i].count = num_envs * (i + 1) / M - workers_[i].first;
  }
}

ProcessBatch::~ProcessBatch() {
  // all of them first, so that they end side by side
  for (Worker& worker : workers_)
    if (worker.process) worker.process->close_requests();
}

void ProcessBatch::count_failure(Worker& worker, ProcessFailure failure) {
  worker.process.reset();
  worker.opening = worker.asked = false;
  for (int env = worker.first; env < worker.first + worker.count; ++env) {
    whole_[env] = 0;
    lost_[env] = failure.fault;
  }
  last_failure_ = failure_text(failure);
  if (++worker.failures < kMostFailures) return;
  throw DataError("env.command is " + printable(options_.command) + ": its process failed " +
                  std::to_string(kMostFailures) +
                  " times in a row, with no whole episode in between. The last time " +
                  last_failure_ + (last_failure_.ends_with('.') ? "" : ".") +
                  " `mbrl_gpu envs trace process` steps it by hand.");
}

// the first request to a process that there is none of yet
void ProcessBatch::ask_to_open(Worker& worker) {
  while (!worker.process) {
    if (worker.failures == 0) worker.process = take_spare(options_);
    const bool is_open = worker.process != nullptr && worker.count == 1;
    if (!worker.process) worker.process = std::make_unique<ChildProcess>(words_of(options_));
    if (is_open) return;
    if (auto wrong = send_open(*worker.process, options_, worker.count))
      count_failure(worker, *std::move(wrong));
    else
      worker.opening = true;
  }
}

// processes that are not there: all are started before the first is waited for
void ProcessBatch::start_all() {
  for (Worker& worker : workers_) ask_to_open(worker);
  for (Worker& worker : workers_) {
    while (worker.opening) {
      worker.opening = false;
      if (auto wrong = receive_same_greeting(*worker.process, options_, worker.count, greeting_)) {
        count_failure(worker, *std::move(wrong));
        ask_to_open(worker);
      }
    }
  }
}

void ProcessBatch::mask(Worker& worker, std::span<const std::uint8_t> which) const {
  worker.which.assign(protocol::padded(static_cast<std::uint32_t>(worker.count)), std::byte{0});
  for (int i = 0; i < worker.count; ++i)
    worker.which[static_cast<std::size_t>(i)] = std::byte{which[worker.first + i] != 0};
}

namespace {

bool asks_any(std::span<const std::uint8_t> which, int first, int count) {
  return std::any_of(which.begin() + first, which.begin() + first + count,
                     [](std::uint8_t asked) { return asked != 0; });
}

}  // namespace

std::optional<ProcessFailure> ProcessBatch::take_reset(Worker& worker,
                                                       std::span<const std::uint8_t> which,
                                                       float* observation) {
  const auto S = static_cast<std::size_t>(spec_.observation_size);
  const std::size_t bytes = static_cast<std::size_t>(worker.count) * S * sizeof(float);
  if (auto wrong = worker.process->receive(bytes, options_.process.timeout)) return wrong;
  for (int i = 0; i < worker.count; ++i) {
    const int env = worker.first + i;
    if (!which[env]) continue;
    float* row = observation + env * S;
    std::memcpy(row, worker.process->reply().data() + i * S * sizeof(float), S * sizeof(float));
    if (!all_finite(row, S))
      return nonsense(*worker.process, "an episode starts with a value that is not finite");
    lost_[env] = kNoFault;
  }
  return std::nullopt;
}

void ProcessBatch::reset(std::span<const std::uint8_t> which, std::span<const std::uint64_t> seeds,
                         float* observation) {
  for (Worker& worker : workers_)
    for (int env = worker.first; env < worker.first + worker.count; ++env)
      if (which[env] && std::exchange(whole_[env], 0)) worker.failures = 0;
  start_all();
  const auto ask = [&](Worker& worker) {
    mask(worker, which);
    return worker.process->send(
        protocol::kReset, {worker.which, std::as_bytes(seeds.subspan(worker.first, worker.count))},
        options_.process.timeout);
  };
  for (Worker& worker : workers_) {
    if (!asks_any(which, worker.first, worker.count)) continue;
    worker.asked = true;
    if (auto wrong = ask(worker)) count_failure(worker, *std::move(wrong));
  }
  for (Worker& worker : workers_) {
    if (!asks_any(which, worker.first, worker.count)) continue;
    std::optional<ProcessFailure> wrong;
    if (worker.asked) wrong = take_reset(worker, which, observation);
    const bool done = worker.asked && !wrong;
    worker.asked = false;
    if (done) continue;
    // again until it works or has failed too often
    if (wrong) count_failure(worker, *std::move(wrong));
    while (true) {
      start_all();
      wrong = ask(worker);
      if (!wrong) wrong = take_reset(worker, which, observation);
      if (!wrong) break;
      count_failure(worker, *std::move(wrong));
    }
  }
}

void ProcessBatch::step(std::span<const std::uint8_t> which, const float* actions, float* next,
                        float* reward, std::uint8_t* flags, std::uint8_t* faults) {
  const auto S = static_cast<std::size_t>(spec_.observation_size);
  const auto A = static_cast<std::size_t>(spec_.action_size);
  const auto fail = [&](Worker& worker, ProcessFailure failure) {
    for (int env = worker.first; env < worker.first + worker.count; ++env) {
      if (!which[env]) continue;
      faults[env] = failure.fault;
      reward[env] = 0.0f;
      flags[env] = 0;
    }
    count_failure(worker, std::move(failure));
  };

  for (Worker& worker : workers_) {
    if (!asks_any(which, worker.first, worker.count)) continue;
    for (int env = worker.first; env < worker.first + worker.count; ++env)
      if (which[env] && (!worker.process || lost_[env] != kNoFault))
        throw ShapeError("ProcessBatch::step: environment " + std::to_string(env) +
                         " is stepped before its episode was started.");
    mask(worker, which);
    const auto count = static_cast<std::size_t>(worker.count);
    worker.body.resize(count * A * sizeof(float));
    for (std::size_t i = 0; i < count; ++i) {
      const float* action = actions + (worker.first + i) * A;
      for (std::size_t j = 0; j < A; ++j) {
        const float mapped = map_action(action[j], greeting_.low[j], greeting_.high[j]);
        std::memcpy(worker.body.data() + (i * A + j) * sizeof(float), &mapped, sizeof(mapped));
      }
    }
    auto wrong = worker.process->send(protocol::kStep, {worker.which, worker.body},
                                      options_.process.timeout);
    worker.asked = !wrong;
    if (wrong) fail(worker, *std::move(wrong));
  }

  for (Worker& worker : workers_) {
    if (!worker.asked) continue;
    worker.asked = false;
    const auto count = static_cast<std::size_t>(worker.count);
    const std::size_t bytes = count * ((S + 1) * sizeof(float) + 1);
    if (auto wrong = worker.process->receive(bytes, options_.process.timeout)) {
      fail(worker, *std::move(wrong));
      continue;
    }
    const std::byte* reply = worker.process->reply().data();
    const std::byte* rewards = reply + count * S * sizeof(float);
    const std::byte* ends = rewards + count * sizeof(float);
    const auto is_known = [](std::byte flag) {
      return std::to_integer<int>(flag) <= (protocol::kTerminated | protocol::kTruncated);
    };
    if (!std::all_of(ends, ends + count, is_known)) {
      fail(worker, nonsense(*worker.process, "its reply holds flags beyond 3"));
      continue;
    }
    // what it starts of its own it has started by now
    if (workers_.size() == 1) worker.process->stay_beside_parent_if_alone();
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t env = worker.first + i;
      if (!which[env]) continue;
      std::memcpy(next + env * S, reply + i * S * sizeof(float), S * sizeof(float));
      std::memcpy(&reward[env], rewards + i * sizeof(float), sizeof(float));
      flags[env] = std::to_integer<std::uint8_t>(ends[i]);
      const bool finite = std::isfinite(reward[env]) && all_finite(next + env * S, S);
      faults[env] = finite ? kNoFault : kNotFinite;
      whole_[env] = finite;
    }
  }
}

ServedEnds::ServedEnds(const EnvOptions& options)
    : options_(options), greeting_(process_greeting(options)) {}

void ServedEnds::ask(const float* observation, int rows, std::uint8_t* ends) {
  constexpr int kMostRows = 1 << 16;  // of a message
  for (int first = 0; first < rows; first += kMostRows)
    ask_some(observation + static_cast<std::size_t>(first) * greeting_.observation_size,
             std::min(kMostRows, rows - first), ends + first);
}

void ServedEnds::ask_some(const float* observation, int rows, std::uint8_t* ends) {
  const std::uint32_t head[2] = {static_cast<std::uint32_t>(rows), 0};
  const std::span<const float> values(
      observation,
      static_cast<std::size_t>(rows) * static_cast<std::size_t>(greeting_.observation_size));
  for (int failures = 0;;) {
    std::optional<ProcessFailure> wrong;
    if (!process_) {
      process_ = std::make_unique<ChildProcess>(words_of(options_));
      wrong = send_open(*process_, options_, 1);
      if (!wrong) wrong = receive_same_greeting(*process_, options_, 1, greeting_);
    }
    if (!wrong)
      wrong =
          process_->send(protocol::kEnds, {std::as_bytes(std::span(head)), std::as_bytes(values)},
                         options_.process.timeout);
    if (!wrong) wrong = process_->receive(static_cast<std::size_t>(rows), options_.process.timeout);
    if (!wrong) break;
    process_.reset();
    if (++failures == kMostFailures)
      throw DataError(
          "env.end is served, and the process of env.command failed " +
          std::to_string(kMostFailures) +
          " times in a row when it was asked where imagined episodes end. The last time " +
          failure_text(*wrong) + ".");
  }
  std::memcpy(ends, process_->reply().data(), static_cast<std::size_t>(rows));
}

std::unique_ptr<Env> make_process(const EnvOptions& options) {
  return std::make_unique<ProcessEnv>(options);
}

std::string last_failure(const Env& env) {
  const auto* served = dynamic_cast<const ProcessEnv*>(&env);
  return served == nullptr ? "" : served->last_failure();
}

std::string process_note(const EnvOptions& options) {
  const ProcessGreeting greeting = process_greeting(options);
  std::string note = "env.name=process: " + greeting.name +
                     " cannot save its state, so a resumed run goes on at an episode's start.";
  if (greeting.max_episode_steps == 0 && options.max_episode_steps == 0)
    note += " It says of no time limit; episodes end after " + std::to_string(kUsualLimit) +
            " steps (env.max_episode_steps).";
  return note;
}

}  // namespace mbrl

// mbrl_gpu envs trace: one environment under a script of resets and actions, step by step.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "envs/process/process_env.h"
#include "host/cli/cli.h"
#include "host/config/overrides.h"

namespace mbrl {
namespace {

class Tracer {
 public:
  Tracer(const EnvOptions& options, std::uint32_t seed, bool with_state)
      : env_(make_env(options)),
        seed_(seed),
        observation_(static_cast<std::size_t>(env_->spec().observation_size)),
        state_(static_cast<std::size_t>(env_->state_size())),
        with_state_(with_state) {}

  void print_header() const {
    fmt::print("episode,step,reward,terminated,broken");
    for (std::size_t i = 0; i < observation_.size(); ++i) fmt::print(",o{}", i);
    for (std::size_t i = 0; with_state_ && i < state_.size(); ++i) fmt::print(",s{}", i);
    end_line();
  }

  /// Does what one line of the script says; `where` starts the text of every error.
  void follow(std::string line, const std::string& where) {
    for (char& c : line)
      if (c == ',' || c == '\r') c = ' ';
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) return;
    if (word == "reset") {
      if (words >> word) episode_ = episode_number(word, where);
      reset();
    } else if (word == "start") {
      start(numbers(words, where), where);
    } else {
      std::vector<double> action = numbers(words, where);
      action.insert(action.begin(), number(word, where));
      step(action, where);
    }
  }

 private:
  static double number(const std::string& word, const std::string& where) {
    // the least numbers are near 0 and the largest infinite, neither an error
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    if (end == word.c_str() || end != word.c_str() + word.size())
      throw DataError(where + ": \"" + word +
                      "\" is not a number. A line is `reset`, `reset EPISODE`, `start` with a "
                      "state, or the numbers of one action.");
    return value;
  }

  static std::uint64_t episode_number(const std::string& word, const std::string& where) {
    const double value = number(word, where);
    if (!(value >= 0.0 && value < 9e15) || value != std::floor(value))
      throw DataError(where + ": `reset " + word +
                      "` names no episode; its number is an integer from 0 on.");
    return static_cast<std::uint64_t>(value);
  }

  static std::vector<double> numbers(std::istream& words, const std::string& where) {
    std::vector<double> values;
    for (std::string word; words >> word;) values.push_back(number(word, where));
    return values;
  }

  void reset() {
    env_->reset(seed_, episode_++, observation_);
    started_ = true;
    step_ = 0;
    print_row({});
  }

  // the observation of a given state is known after the first step: no row
  void start(std::vector<double> state, const std::string& where) {
    if (state_.empty())
      throw DataError(where + ": " + env_->spec().name +
                      " has no state that could be given; begin its episodes with `reset`.");
    if (state.size() > state_.size())
      throw DataError(where + ": a state of " + env_->spec().name + " has " +
                      std::to_string(state_.size()) + " numbers, the line " +
                      std::to_string(state.size()) + ".");
    state.resize(state_.size(), 0.0);
    env_->set_state(state);
    ++episode_;
    started_ = true;
    step_ = 0;
  }

  void step(const std::vector<double>& values, const std::string& where) {
    if (values.size() != static_cast<std::size_t>(env_->spec().action_size))
      throw DataError(where + ": an action of " + env_->spec().name + " has " +
                      std::to_string(env_->spec().action_size) + " numbers, the line " +
                      std::to_string(values.size()) + ".");
    if (!started_) reset();
    const std::vector<float> action(values.begin(), values.end());
    const StepResult result = env_->step(action, observation_);
    ++step_;
    if (result.broken) {
      const std::string text = broken_text(result.broken);
      fmt::print(stderr, "{}: step {} of episode {} means nothing: {}{}\n", where, step_,
                 episode_ - 1, text, text.ends_with('.') ? "" : ".");
      std::fill(observation_.begin(), observation_.end(), std::nanf(""));
    }
    print_row(result);
    // its episode is over: nothing may follow on what it left, of a served one not even a process
    if (result.broken) started_ = false;
  }

  // of a process also how it failed, and its last words
  std::string broken_text(Fault fault) const {
    const std::string text = fault_text(fault);
    return fault < kNumSimulatorFaults ? text : text + ": " + last_failure(*env_);
  }

  void print_row(const StepResult& result) {
    fmt::print("{},{},{:.9g},{:d},{:d}", episode_ - 1, step_, result.reward, result.terminated,
               result.broken != kNoFault);
    for (const float x : observation_) fmt::print(",{:.9g}", x);
    if (with_state_) {
      env_->get_state(state_);
      for (const double x : state_) fmt::print(",{:.17g}", x);
    }
    end_line();
  }

  // a program at the other end of a pipe waits for each row
  static void end_line() {
    fmt::print("\n");
    std::fflush(stdout);
  }

  std::unique_ptr<Env> env_;
  std::uint32_t seed_;
  std::vector<float> observation_;
  std::vector<double> state_;
  bool with_state_;
  std::uint64_t episode_ = 0;  // the next one
  int step_ = 0;
  bool started_ = false;
};

}  // namespace

void add_envs_trace(CLI::App& envs) {
  struct Options {
    std::string name, actions = "-";
    std::vector<std::string> overrides;
    bool state = false;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* trace = envs.add_subcommand(
      "trace", "Step one environment by a script; print reward, end and observation as CSV");
  trace->add_option("name", o->name, "an environment")->required();
  trace->add_option("overrides", o->overrides, "seed=N, env.capsule_masses=exact, ...");
  trace
      ->add_option("--actions", o->actions,
                   "the script, - for standard input. A line is an action in [-1, 1], or `reset "
                   "[EPISODE]`, or `start` and a state whose missing numbers are 0. Nothing else "
                   "ends an episode. After a broken step, whose reason standard error tells, the "
                   "observation is nan")
      ->capture_default_str();
  trace->add_flag("--state", o->state, "the simulator's state too, after the observation");
  trace->callback([o] {
    Config config;
    config.env.name = o->name;
    for (const std::string& assignment : o->overrides) apply_override(config, assignment);
    const std::string origin = o->actions == "-" ? "standard input" : o->actions;
    std::ifstream file;
    if (o->actions != "-") {
      file.open(o->actions);
      if (!file) throw DataError(o->actions + " cannot be read; --actions takes a file or -.");
    }
    std::istream& script = o->actions == "-" ? std::cin : file;
    if (const std::string note = env_note(config.env); !note.empty())
      fmt::print(stderr, "warning: {}\n", note);
    Tracer tracer(config.env, static_cast<std::uint32_t>(config.seed), o->state);
    tracer.print_header();
    std::string line;
    for (int i = 1; std::getline(script, line); ++i)
      tracer.follow(line, origin + ":" + std::to_string(i));
  });
}

}  // namespace mbrl

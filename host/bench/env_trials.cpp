#include "host/bench/env_trials.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/rng.h"
#include "envs/pool.h"
#include "host/bench/random_actions.h"

namespace mbrl {
namespace {

constexpr int kRounds = 5;          // at least
constexpr double kSlice = 0.01;     // seconds at most: neighbours on the machine come and go slower
constexpr int kEpisodeSteps = 200;  // at most, so that resets have their share everywhere
constexpr int kPerThread = 8;       // environments: as many as keep the pool's hand-over small

/// Time that this thread had on a core, s: whoever else wants the core does not count.
double core_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// One environment under random actions. A slice of its way is walked three times: once to see
/// where episodes end, then by its simulator alone and by whole steps, which so meet the same
/// states.
class Walk {
 public:
  Walk(const EnvOptions& options, double slice)
      : env_(make_env(options)),
        actions_(env_->spec().action_size),
        observation_(static_cast<std::size_t>(env_->spec().observation_size)) {
    env_->reset(1, episode_, observation_);
    // as many steps as fill a slice, warmed up
    for (int repeat = 0; repeat < 2; ++repeat) {
      const double start = core_seconds();
      ends_.clear();
      do {
        ends_.push_back(step_once());
      } while (core_seconds() - start < slice);
    }
    end_ = here();
  }

  const EnvSpec& spec() const { return env_->spec(); }

  /// Goes on to the next slice; simulate() and step() time it, in any order.
  void look_ahead() {
    go_to(end_);
    start_ = here();
    for (char& end : ends_) end = step_once();
    end_ = here();
  }

  /// Seconds of one core per step, resets included.
  double step() {
    go_to(start_);
    const double start = core_seconds();
    for (std::size_t i = 0; i < ends_.size(); ++i) step_once();
    return (core_seconds() - start) / static_cast<double>(ends_.size());
  }

  /// The same by the simulator alone; 0 where the environment has none.
  double simulate() {
    go_to(start_);
    const double start = core_seconds();
    for (const char end : ends_) {
      if (!env_->simulate(actions_.row(step_++))) return 0.0;
      if (end) env_->reset(1, ++episode_, observation_);
    }
    return (core_seconds() - start) / static_cast<double>(ends_.size());
  }

 private:
  // one step, and a new episode where this one ends
  bool step_once() {
    const StepResult result = env_->step(actions_.row(step_++), observation_);
    const bool end = result.terminated || result.broken || ++length_ == kEpisodeSteps;
    if (!end) return false;
    length_ = 0;
    env_->reset(1, ++episode_, observation_);
    return true;
  }

  struct Place {
    std::vector<double> state;
    std::uint64_t step, episode;
    int length;
  };
  Place here() const {
    Place place{std::vector<double>(static_cast<std::size_t>(env_->state_size())), step_, episode_,
                length_};
    env_->get_state(place.state);
    return place;
  }
  void go_to(const Place& place) {
    env_->set_state(place.state);
    step_ = place.step;
    episode_ = place.episode;
    length_ = place.length;
  }

  std::unique_ptr<Env> env_;
  Actions actions_;
  std::vector<float> observation_;
  Place start_, end_;       // of the slice
  std::vector<char> ends_;  // of its steps: whether an episode ended there
  std::uint64_t step_ = 0, episode_ = 0;
  int length_ = 0;
};

/// The same for a pool of kPerThread environments per thread.
class PoolWalk {
 public:
  PoolWalk(const EnvOptions& options, ThreadPool& threads)
      : pool_(options, kPerThread * threads.num_threads(), 1, threads),
        actions_(pool_.size() * pool_.spec().action_size) {
    pool_.reset();
  }

  /// Steps of one environment per second, over a slice of about `seconds`.
  double rate(double seconds) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    double elapsed = 0.0;
    int count = 0;
    for (; elapsed < seconds; ++count) {
      pool_.step({actions_.row(step_++).data(), pool_.size(), pool_.spec().action_size});
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    return count * pool_.size() / elapsed;
  }

 private:
  EnvPool pool_;
  Actions actions_;
  std::uint64_t step_ = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

/// Threads that each step a pool of their own and never wait for one another: as many steps as this
/// machine's cores can do at the same time, which on a shared one is less than their number.
class ApartWalk {
 public:
  ApartWalk(const EnvOptions& options, ThreadPool& threads) : threads_(&threads) {
    for (int i = 0; i < threads.num_threads(); ++i) walks_.emplace_back(options);
  }

  double rate(double seconds) {
    threads_->parallel_for(threads_->num_threads(),
                           [&](int i) { walks_[i].rate = walks_[i].walk.rate(seconds); });
    double sum = 0.0;
    for (const One& one : walks_) sum += one.rate;
    return sum;
  }

 private:
  struct One {
    explicit One(const EnvOptions& options) : walk(options, thread) {}
    ThreadPool thread{1};
    PoolWalk walk;
    double rate = 0.0;
  };
  ThreadPool* threads_;
  std::deque<One> walks_;
};

}  // namespace

EnvTimes time_env(const EnvOptions& options, ThreadPool& one, ThreadPool& all, double seconds) {
  // six walks over a slice in a round: one untimed, the simulator's, the steps', and three of pools
  const double slice = std::min(kSlice, seconds / (6 * kRounds));
  const int rounds = std::max(kRounds, static_cast<int>(seconds / (6 * slice)));
  Walk walk(options, slice);
  PoolWalk on_one(options, one), on_all(options, all);
  ApartWalk on_each(options, all);
  on_one.rate(slice);
  on_all.rate(slice);
  on_each.rate(slice);

  std::vector<double> step, simulator, share, one_rate, all_rate, scaling, apart;
  for (int i = 0; i < rounds; ++i) {
    walk.look_ahead();
    // every other round the other way round: what drifts favours nobody
    const auto in_turn = [&](auto&& first, auto&& second) {
      if (i % 2 == 0) first();
      second();
      if (i % 2 != 0) first();
    };
    in_turn([&] { simulator.push_back(walk.simulate()); }, [&] { step.push_back(walk.step()); });
    in_turn([&] { one_rate.push_back(on_one.rate(slice)); },
            [&] { all_rate.push_back(on_all.rate(slice)); });
    apart.push_back(on_each.rate(slice) / one_rate.back());
    share.push_back(simulator.back() / step.back());
    scaling.push_back(all_rate.back() / one_rate.back());
  }
  return {median(step),     median(simulator), median(share), median(one_rate),
          median(all_rate), median(scaling),   median(apart)};
}

Timing time_pool(const EnvOptions& options, int count, ThreadPool& threads, double seconds) {
  EnvPool pool(options, count, 1, threads);
  pool.reset();
  const int action_size = pool.spec().action_size;
  std::vector<float> actions(static_cast<std::size_t>(count) * action_size);
  std::uint64_t step = 0;
  return measure(
      [&] {
        for (std::size_t i = 0; i < actions.size(); ++i)
          actions[i] = random_action(step, static_cast<int>(i));
        ++step;
        pool.step({actions.data(), count, action_size});
      },
      seconds);
}

}  // namespace mbrl

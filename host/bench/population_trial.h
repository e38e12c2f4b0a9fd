// Many SAC learners at once, as a population trains them: several threads, each with a stream of its
// own, and the learners that it goes through one after the other.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda/stream.h"
#include "envs/spec.h"
#include "host/bench/stage_trials.h"
#include "host/config/config.h"

namespace mbrl {

class PopulationTrial {
 public:
  /// `num_learners` of the config's sizes with networks and workspaces of their own, on `num_slots`
  /// threads, on the device, in the precision and in the way of launching of `like`.
  PopulationTrial(const Config& config, const EnvSpec& env, const Stream& like, int num_learners,
                  int num_slots);
  ~PopulationTrial();
  PopulationTrial(const PopulationTrial&) = delete;
  PopulationTrial& operator=(const PopulationTrial&) = delete;

  /// A call updates every learner: sac.updates_per_step times on a GPU, where they are one launch,
  /// once on the CPU.
  Trial sac(double seconds);

 private:
  int updates_per_call() const {
    return kind_ == Stream::Kind::kGpu ? config_.sac.updates_per_step : 1;
  }
  void work(int slot);
  void round();

  const Config& config_;
  EnvSpec env_;
  Stream::Kind kind_;
  Precision precision_;
  bool use_graphs_;
  int num_learners_, num_slots_;
  std::vector<std::thread> threads_;
  // rounds are counted; a slot is done when its number has reached that of the round
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t round_ = 0;
  int num_done_ = 0;
  bool ending_ = false;
  std::exception_ptr error_;
};

}  // namespace mbrl

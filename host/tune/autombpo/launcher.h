// Runs the MBPO learners of an AutoMBPO run as a population, each in a folder of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/run/open_device.h"
#include "host/run/run.h"
#include "host/run/run_log.h"
#include "host/tune/autombpo/steering_order.h"
#include "host/tune/population.h"
#include "host/tune/training_member.h"

namespace mbrl {

class Launcher {
 public:
  /// All of these must outlive it.
  Launcher(const RunOptions& options, OpenDevice& device, int num_threads, RunLog& log)
      : options_(options), device_(device), num_threads_(num_threads), log_(log) {}

  /// A learner to be run. One that diverges is noted in its folder and in the log.
  TrainingMemberOptions learner(const std::string& label, const std::filesystem::path& folder,
                                const Config& config,
                                const std::optional<SteeringOrder>& steering = {});

  /// Runs learners to their ends, population.concurrent at a time. `config`: that of one of them.
  ///
  /// Returns  false after a stop signal.
  /// Errors   those of concurrent_learners and Population::run.
  bool run(const std::vector<TrainingMemberOptions>& learners, const Config& config,
           const std::string& title);

  /// Where controllers learn.
  Stream& stream() { return device_.stream; }
  RunLog& log() { return log_; }
  const std::filesystem::path& runs() const { return options_.runs; }

 private:
  const RunOptions& options_;
  OpenDevice& device_;
  int num_threads_;
  RunLog& log_;
};

}  // namespace mbrl

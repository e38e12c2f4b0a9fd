// The live line of a run: where it is, how fast, how long still.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>

#include "host/io/status_line.h"

namespace mbrl {

struct ProgressState {
  std::int64_t env_steps = 0, total_steps = 0;
  std::int64_t updates = 0;
  double last_return = std::numeric_limits<double>::quiet_NaN();  // none yet
};

/// Who wants to know how a run goes. Does nothing by itself.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// What the run does now. Long stages call it again as they go on.
  virtual void set_stage(std::string_view) {}
  virtual void update(const ProgressState&) {}
  /// Something else is about to be printed.
  virtual void clear() {}
  /// The run is over.
  virtual void finish() {}
};

/// A status line on standard error, rewritten at most ten times a second on a terminal; elsewhere
/// one every `plain_interval_s`. Rates and the time left follow the last two minutes, because
/// exploration is faster than training. Cheap enough for every step.
class Progress : public ProgressSink {
 public:
  explicit Progress(double plain_interval_s = 30.0);
  Progress(int file_descriptor, bool terminal, double interval_s);
  ~Progress() override { Progress::finish(); }

  /// Keeps the line alive.
  void set_stage(std::string_view stage) override;
  void update(const ProgressState& state) override;

  /// Removes the live line so that something else can be printed; the next update shows it again.
  void clear() override;

  /// Shows the last state; then nothing more.
  void finish() override;

 private:
  using Clock = std::chrono::steady_clock;

  struct Sample {
    Clock::time_point time;
    std::int64_t env_steps, updates;
  };

  bool is_live() const { return started_ && !finished_; }
  void remember(Clock::time_point now);
  std::string text() const;

  StatusLine line_;
  std::string stage_;
  ProgressState state_;
  std::deque<Sample> samples_;  // one a second, oldest first
  bool started_ = false, finished_ = false;
};

/// "1:02:03", "4:05".
std::string duration_text(double seconds);

/// "-12.3", or "-" for NaN: there is none yet.
std::string return_text(double episode_return);

}  // namespace mbrl

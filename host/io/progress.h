// The live line of a run: where it is, how fast, how long still.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "host/io/status_line.h"

namespace mbrl {

struct ProgressState {
  std::int64_t env_steps = 0, total_steps = 0;
  bool exploring = false;  // with random actions, which are faster than training
  double last_return = std::numeric_limits<double>::quiet_NaN();   // of an episode; none yet
  double evaluation = std::numeric_limits<double>::quiet_NaN();    // mean return of the last one
  double seconds_left = std::numeric_limits<double>::quiet_NaN();  // unknown
};

/// Who wants to know how a run goes. Does nothing by itself.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// What the run does now. Long stages call it again as they go on.
  virtual void set_stage(std::string_view) {}
  /// How far a long stage has come; forgotten when another begins.
  virtual void set_detail(std::string_view) {}
  virtual void update(const ProgressState&) {}
  /// Something else is about to be printed.
  virtual void clear() {}
  /// The run is over.
  virtual void finish() {}
};

/// As many of the fields, from the first on, as `width` characters hold, two blanks between them.
std::string fitting_fields(const std::vector<std::string>& fields, std::size_t width);

/// A status line on standard error, rewritten at most ten times a second on a terminal; elsewhere
/// one every `plain_interval_s`. What a narrow terminal has no room for is left out from the end.
/// The rate is that of the last two minutes, without exploration. Cheap enough for every step.
class Progress : public ProgressSink {
 public:
  explicit Progress(double plain_interval_s = 30.0);
  Progress(int file_descriptor, bool terminal, double interval_s);
  ~Progress() override { Progress::finish(); }

  /// Keeps the line alive.
  void set_stage(std::string_view stage) override;
  void set_detail(std::string_view detail) override;
  void update(const ProgressState& state) override;

  /// Removes the live line so that something else can be printed; the next update shows it again.
  void clear() override;

  /// Shows the last state; then nothing more.
  void finish() override;

 private:
  using Clock = std::chrono::steady_clock;

  struct Sample {
    Clock::time_point time;
    std::int64_t env_steps;
  };

  bool is_live() const { return started_ && !finished_; }
  void remember(Clock::time_point now);
  std::string text() const;

  StatusLine line_;
  std::string stage_, detail_;
  ProgressState state_;
  std::deque<Sample> samples_;  // one a second, oldest first
  bool started_ = false, finished_ = false;
};

/// "1:02:03", "4:05".
std::string duration_text(double seconds);

/// "-12.3", or "-" for NaN: there is none yet.
std::string return_text(double episode_return);

}  // namespace mbrl

// Scalars for TensorBoard: an events file, written without its library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "host/io/output_file.h"

namespace mbrl {

/// One scalar as an event: protobuf Event{wall_time, step, summary{value{tag, simple_value}}}.
std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, float value);

/// The start of a session: what earlier files hold from `step` on is void. Event{wall_time, step,
/// session_log{status: START}}.
std::string session_start_event(double wall_time, std::int64_t step);

/// One record of the file: length, masked checksum of the length, data, masked checksum of the
/// data.
std::string tfrecord(const std::string& data);

class TensorboardWriter {
 public:
  /// Makes <folder>/events.out.tfevents.<unix time>.mbrl_gpu.<pid>. resume_step < 0 starts anew and
  /// deletes the folder's earlier event files; otherwise viewers are told to drop what those hold
  /// beyond that step. Where the clock has gone back, the name and the times of the events go on
  /// from those of the newest file, so that they stay in order.
  explicit TensorboardWriter(const std::filesystem::path& folder, std::int64_t resume_step = -1);

  void scalar(const std::string& tag, std::int64_t step, double value);

  /// Waits until the disk has all of them.
  void sync() { file_.sync(); }

 private:
  TensorboardWriter(const std::filesystem::path& path, std::in_place_t, std::int64_t resume_step);
  double time();

  OutputFile file_;
  double ahead_ = 0.0;  // s that the newest event was ahead of the clock
  double last_ = 0.0;   // of the newest event
};

}  // namespace mbrl

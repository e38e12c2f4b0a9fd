// Scalars for TensorBoard: an events file, written without its library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "host/io/output_file.h"

namespace mbrl {

/// One scalar as an event: protobuf Event{wall_time, step, summary{value{tag, simple_value}}}.
std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, float value);

/// One record of the file: length, masked checksum of the length, data, masked checksum of the data.
std::string tfrecord(const std::string& data);

class TensorboardWriter {
 public:
  /// Makes <folder>/events.out.tfevents.<unix time>.mbrl_gpu.<pid>.
  explicit TensorboardWriter(const std::filesystem::path& folder);

  void scalar(const std::string& tag, std::int64_t step, double value);

 private:
  OutputFile file_;
};

}  // namespace mbrl

// Scalars, texts and hyperparameters for TensorBoard: an events file, written without its library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "host/io/output_file.h"

namespace mbrl {

/// One scalar as an event: protobuf Event{wall_time, step, summary{value{tag, simple_value}}}.
std::string scalar_event(double wall_time, std::int64_t step, const std::string& tag, float value);

/// A text, as Markdown: summary{value{tag, metadata of the text plugin, tensor of one string}}.
std::string text_event(double wall_time, std::int64_t step, const std::string& tag,
                       const std::string& markdown);

/// A hyperparameter as the HPARAMS tab knows it.
using HparamValue = std::variant<bool, double, std::string>;
using Hparams = std::vector<std::pair<std::string, HparamValue>>;

/// What a run was started with: _hparams_/session_start_info.
std::string hparams_start_event(double wall_time, const Hparams& hparams);
/// How it ended: _hparams_/session_end_info. Viewers keep the first of a run.
std::string hparams_end_event(double wall_time, bool success);

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

  /// Values that are not finite are left out.
  void scalar(const std::string& tag, std::int64_t step, double value);
  /// Many of one step, handed to the operating system at once.
  void scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);

  /// What the run was started with and its config as Markdown, unless a file of an earlier part of
  /// the run tells: viewers keep the first.
  void describe(const Hparams& hparams, const std::string& config);
  void finish(bool success);

  /// Waits until the disk has all of them.
  void sync() { file_.sync(); }

 private:
  TensorboardWriter(const std::filesystem::path& path, bool is_described, std::int64_t resume_step);
  double time();

  bool is_described_;  // by an earlier file of the folder
  OutputFile file_;
  double ahead_ = 0.0;  // s that the newest event was ahead of the clock
  double last_ = 0.0;   // of the newest event
};

}  // namespace mbrl

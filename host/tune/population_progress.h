// The live line of a population: which members run, how far they are and what they earn.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/io/progress.h"

namespace mbrl {

/// One status line for all members that run. It shows each of them if there are at most two, else
/// the lowest and the highest of their values. On a terminal it is rewritten at most five times a
/// second; elsewhere a line comes every 30 s.
class PopulationProgress {
 public:
  PopulationProgress(std::string title, int num_members);
  PopulationProgress(std::string title, int num_members, int file_descriptor, bool terminal,
                     double interval_s);
  ~PopulationProgress();

  /// Where a member reports; gone from the line once it has finished.
  std::unique_ptr<ProgressSink> member(const std::string& label);
  /// The line as it stands.
  std::string text() const;

 private:
  class Sink;
  struct Entry {
    std::string label, stage;
    ProgressState state;
  };

  void show(bool now);

  std::string title_;
  int num_members_, num_done_ = 0;
  StatusLine line_;
  mutable std::mutex mutex_;
  std::vector<Entry*> entries_;  // of running members, in the order of their start
};

}  // namespace mbrl

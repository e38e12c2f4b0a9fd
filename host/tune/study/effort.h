// Where the time of a search goes: into training, or into the search itself.
#pragma once

#include <atomic>
#include <chrono>

namespace mbrl {

/// Seconds of all threads together. What threads wait for one another, or for other processes, is in
/// neither.
struct Effort {
  std::atomic<double> training_s{0.0};
  /// Draws, comparisons, decisions, copies, the journal.
  std::atomic<double> own_s{0.0};

  /// The search's own part of both, from 0 to 1.
  double own_share() const {
    const double all = training_s + own_s;
    return all > 0.0 ? own_s / all : 0.0;
  }
};

/// Adds the time that it lives to one of them.
class Timed {
 public:
  explicit Timed(std::atomic<double>& sum) : sum_(sum) {}
  ~Timed() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  std::atomic<double>& sum_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace mbrl

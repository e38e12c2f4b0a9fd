// Mean and variance of everything seen so far, column by column.
#pragma once

#include <string>
#include <vector>

#include "cuda/buffer.h"
#include "host/io/safetensors.h"

namespace mbrl {

/// Running moments by Welford's recurrence, in double, in the order the rows come: the same for any
/// number of threads, and after a checkpoint.
class RunningMoments {
 public:
  /// Of what normalize() gives, in standard deviations.
  static constexpr double kLimit = 10.0;

  explicit RunningMoments(int columns);

  int columns() const { return static_cast<int>(values_.size() / 2); }
  double count() const { return values_[0]; }
  double mean(int column) const { return values_[1 + 2 * column]; }
  /// Of the population; 1 before there are two rows.
  double variance(int column) const;
  /// 1 / standard deviation.
  double scale(int column) const;

  /// Takes rows [N, columns] in.
  void add(Matrix<const float> rows);
  /// Takes one row of one column in.
  void add(double value);

  /// (x - mean) / standard deviation, clipped to +-10; a constant column gives 0.
  void normalize(Matrix<const float> rows, Matrix<float> out) const;

  /// For checkpoints: name.count, and name.mean and name.sum_of_squares (of deviations) by columns.
  TensorRef tensor(const std::string& name);

 private:
  void take(int column, double value);

  std::vector<double> values_;  // count, then mean and sum of squared deviations of each column
};

}  // namespace mbrl

#include "host/algo/running_moments.h"

#include <algorithm>
#include <cmath>

namespace mbrl {

RunningMoments::RunningMoments(int columns)
    : values_(1 + 2 * static_cast<std::size_t>(columns), 0.0) {}

double RunningMoments::variance(int column) const {
  return count() < 2.0 ? 1.0 : values_[2 + 2 * column] / count();
}

void RunningMoments::take(int column, double value) {
  double& mean = values_[1 + 2 * column];
  const double difference = value - mean;
  mean += difference / count();
  values_[2 + 2 * column] += difference * (value - mean);
}

void RunningMoments::add(Matrix<const float> rows) {
  for (int r = 0; r < rows.size(0); ++r) {
    values_[0] += 1.0;
    for (int i = 0; i < columns(); ++i) take(i, rows.row(r)[i]);
  }
}

void RunningMoments::add(double value) {
  values_[0] += 1.0;
  take(0, value);
}

void RunningMoments::normalize(Matrix<const float> rows, Matrix<float> out) const {
  for (int i = 0; i < columns(); ++i) {
    // 1e-8: a column that never changes divides nothing by nothing
    const double scale = 1.0 / std::sqrt(variance(i) + 1e-8);
    for (int r = 0; r < rows.size(0); ++r)
      out.row(r)[i] =
          static_cast<float>(std::clamp((rows.row(r)[i] - mean(i)) * scale, -10.0, 10.0));
  }
}

TensorRef RunningMoments::tensor(const std::string& name) {
  return tensor_ref(name, values_.data(), {static_cast<std::int64_t>(values_.size())});
}

}  // namespace mbrl

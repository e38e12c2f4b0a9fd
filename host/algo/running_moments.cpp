#include "host/algo/running_moments.h"

#include <algorithm>
#include <cmath>

namespace mbrl {

RunningMoments::RunningMoments(int columns)
    : values_(1 + 2 * static_cast<std::size_t>(columns), 0.0) {}

double RunningMoments::variance(int column) const {
  return count() < 2.0 ? 1.0 : values_[2 + 2 * column] / count();
}

// 1e-8: a column that never changes divides nothing by nothing
double RunningMoments::scale(int column) const { return 1.0 / std::sqrt(variance(column) + 1e-8); }

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
    const double scale = this->scale(i);
    for (int r = 0; r < rows.size(0); ++r)
      out.row(r)[i] =
          static_cast<float>(std::clamp((rows.row(r)[i] - mean(i)) * scale, -kLimit, kLimit));
  }
}

TensorRef RunningMoments::tensor(const std::string& name) {
  TensorRef tensor = tensor_ref(name, values_.data(), {static_cast<std::int64_t>(values_.size())});
  tensor.parts = {{.name = name + ".count", .shape = {1}},
                  {.name = name + ".mean", .shape = {columns()}, .offset = 1, .step = 2},
                  {.name = name + ".sum_of_squares", .shape = {columns()}, .offset = 2, .step = 2}};
  return tensor;
}

}  // namespace mbrl

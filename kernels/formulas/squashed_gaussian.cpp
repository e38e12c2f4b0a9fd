#include "kernels/formulas/squashed_gaussian.h"

#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"

namespace mbrl {
namespace {

// a row costs some hundred operations per action: enough work to be worth a task
constexpr std::size_t kRowsPerRange = 256;

}  // namespace

void squashed_gaussian_forward(Stream& stream, Matrix<float> action, Vector<float> log_prob,
                               Matrix<const float> head, Matrix<const float> noise) {
  const int B = action.size(0), A = action.size(1);
  check_same_shape("squashed_gaussian_forward", {"action", action}, {{"noise", noise}});
  check_shape("squashed_gaussian_forward", {"log_prob", log_prob}, {B}, "one per row of action");
  check_shape("squashed_gaussian_forward", {"head", head}, {B, 2 * A},
              "a mean and a raw log standard deviation per action");
  if (stream.on_gpu()) return gpu::squashed_gaussian_forward(stream, action, log_prob, head, noise);

  parallel_ranges(stream, static_cast<std::size_t>(B), kRowsPerRange,
                  [&](std::size_t b, std::size_t e) {
                    for (int row = static_cast<int>(b); row < static_cast<int>(e); ++row) {
                      const float* mean = head.row(row);
                      const float* raw_log_std = mean + A;
                      float sum = 0.0f;
                      for (int i = 0; i < A; ++i) {
                        const SquashedSample s =
                            squashed_gaussian_sample(mean[i], raw_log_std[i], noise.row(row)[i]);
                        action.row(row)[i] = s.action;
                        sum += s.log_prob;
                      }
                      log_prob[static_cast<std::size_t>(row)] = sum;
                    }
                  });
}

void squashed_gaussian_backward(Stream& stream, Matrix<float> d_head, Matrix<const float> head,
                                Matrix<const float> noise, Matrix<const float> d_action,
                                Vector<const float> d_log_prob) {
  const int B = noise.size(0), A = noise.size(1);
  check_same_shape("squashed_gaussian_backward", {"noise", noise}, {{"d_action", d_action}});
  check_shape("squashed_gaussian_backward", {"head", head}, {B, 2 * A},
              "a mean and a raw log standard deviation per action");
  check_shape("squashed_gaussian_backward", {"d_head", d_head}, {B, 2 * A}, "the shape of head");
  check_shape("squashed_gaussian_backward", {"d_log_prob", d_log_prob}, {B},
              "one per row of noise");
  if (stream.on_gpu())
    return gpu::squashed_gaussian_backward(stream, d_head, head, noise, d_action, d_log_prob);

  parallel_ranges(
      stream, static_cast<std::size_t>(B), kRowsPerRange, [&](std::size_t b, std::size_t e) {
        for (int row = static_cast<int>(b); row < static_cast<int>(e); ++row) {
          const float* mean = head.row(row);
          const float* raw_log_std = mean + A;
          for (int i = 0; i < A; ++i) {
            const float n = noise.row(row)[i], raw = raw_log_std[i];
            const SquashedSample s = squashed_gaussian_sample(mean[i], raw, n);
            const SquashedGradient g = squashed_gaussian_gradient(
                s, raw, n, d_action.row(row)[i], d_log_prob[static_cast<std::size_t>(row)]);
            d_head.row(row)[i] = g.d_mean;
            d_head.row(row)[A + i] = g.d_raw_log_std;
          }
        }
      });
}

}  // namespace mbrl

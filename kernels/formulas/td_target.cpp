#include "kernels/formulas/td_target.h"

#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"

namespace mbrl {

void td_target(Stream& stream, Vector<float> target, const TdTargetIn& in, float discount) {
  check_same_shape("td_target", {"target", target},
                   {{"reward", in.reward},
                    {"terminated", in.terminated},
                    {"next_q1", in.next_q1},
                    {"next_q2", in.next_q2},
                    {"next_log_prob", in.next_log_prob}});
  if (stream.on_gpu()) return gpu::td_target(stream, target, in, discount);

  const float alpha = *in.alpha;
  parallel_ranges(
      stream, target.count(), kElementsPerRange, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i)
          target[i] = td_target_value(in.reward[i], in.terminated[i], in.next_q1[i], in.next_q2[i],
                                      alpha, in.next_log_prob[i], discount);
      });
}

}  // namespace mbrl

#include "kernels/stages/ppo/gae.h"

#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"
#include "kernels/stages/check/checked_stages.h"

namespace mbrl {

void gae(Stream& stream, Matrix<float> advantage, Matrix<float> value_target, const GaeIn& in,
         float discount, float lambda) {
  check_same_shape("gae", {"advantage", advantage},
                   {{"value_target", value_target},
                    {"reward", in.reward},
                    {"value", in.value},
                    {"next_value", in.next_value},
                    {"terminated", in.terminated},
                    {"truncated", in.truncated}});
  if (stream.check() != nullptr && stream.on_gpu())
    return checked::gae(stream, advantage, value_target, in, discount, lambda);
  if (stream.on_gpu()) return gpu::gae(stream, advantage, value_target, in, discount, lambda);

  // whole cache lines of environments
  constexpr std::size_t kEnvsPerRange = 16;
  parallel_ranges(stream, static_cast<std::size_t>(advantage.size(1)), kEnvsPerRange,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t env = begin; env < end; ++env)
                      gae_column(advantage, value_target, in, env, discount, lambda);
                  });
}

}  // namespace mbrl

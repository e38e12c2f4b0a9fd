#include "kernels/formulas/adam.h"

#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"

namespace mbrl {

void adam(Stream& stream, Vector<float> parameters, Vector<float> m, Vector<float> v,
          Vector<const float> gradient, const AdamStep& step) {
  check_same_shape("adam", {"parameters", parameters},
                   {{"m", m}, {"v", v}, {"gradient", gradient}});
  if (stream.on_gpu()) return gpu::adam(stream, parameters, m, v, gradient, step);

  parallel_ranges(stream, parameters.count(), kElementsPerRange,
                  [&](std::size_t begin, std::size_t end) {
                    // the arrays do not overlap: one vector loop
                    float* __restrict p = parameters.data;
                    float* __restrict first = m.data;
                    float* __restrict second = v.data;
                    const float* __restrict g = gradient.data;
                    for (std::size_t i = begin; i < end; ++i)
                      adam_update(p[i], first[i], second[i], g[i], step);
                  });
}

}  // namespace mbrl

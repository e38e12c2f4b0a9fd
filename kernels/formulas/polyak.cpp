#include "kernels/formulas/polyak.h"

#include "kernels/cpu/parallel.h"
#include "kernels/data/shapes.h"

namespace mbrl {

void polyak_average(Stream& stream, Vector<float> target, Vector<const float> source, float tau) {
  check_same_shape("polyak_average", {"target", target}, {{"source", source}});
  if (stream.on_gpu()) return gpu::polyak_average(stream, target, source, tau);

  parallel_ranges(stream, target.count(), kElementsPerRange,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t i = begin; i < end; ++i)
                      target[i] = polyak(target[i], source[i], tau);
                  });
}

}  // namespace mbrl

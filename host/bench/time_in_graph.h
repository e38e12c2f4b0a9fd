// Time of device work without the cost of launching it piece by piece.
#pragma once

#include "cuda/graph.h"
#include "cuda/stream.h"
#include "host/bench/measure.h"

namespace mbrl {

/// Time of `repeats` equal pieces of device work in one graph, after one run outside of it.
template <typename Issue>
Timing time_in_graph(Stream& stream, int repeats, double seconds, Issue&& issue) {
  issue();  // libraries load code at the first use, which recording forbids
  stream.synchronize();
  Graph graph;
  return measure(
      [&] {
        graph.run(stream, [&] {
          for (int i = 0; i < repeats; ++i) issue();
        });
        stream.synchronize();
      },
      seconds);
}

}  // namespace mbrl

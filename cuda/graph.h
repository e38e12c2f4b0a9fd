// Work recorded once and repeated with one launch.
#pragma once

#include <cstddef>
#include <utility>

#include "cuda/stream.h"

namespace mbrl {

/// A sequence of device work whose arguments never change: what varies from run to run is read from
/// memory. The first run() issues it, the second records it, and from then on the recording is
/// launched; on the CPU, or where the stream does not use graphs, the sequence is issued each time.
class Graph {
 public:
  Graph() = default;
  Graph(Graph&& other) noexcept
      : graph_(std::exchange(other.graph_, nullptr)),
        num_nodes_(other.num_nodes_),
        issued_(other.issued_) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(graph_, other.graph_);
    std::swap(num_nodes_, other.num_nodes_);
    std::swap(issued_, other.issued_);
    return *this;
  }
  ~Graph() {
    if (graph_ != nullptr) gpu::destroy_graph(graph_);
  }

  template <typename Issue>
  void run(Stream& stream, Issue&& issue) {
    // kernels and libraries load code at their first use, which may not happen while recording
    const bool first = !std::exchange(issued_, true);
    if (first || !stream.on_gpu() || !stream.use_graphs()) return issue();
    if (graph_ == nullptr) {
      gpu::begin_capture(stream.handle());
      try {
        issue();
      } catch (...) {
        gpu::abandon_capture(stream.handle());
        throw;
      }
      graph_ = gpu::end_capture(stream.handle(), num_nodes_);
    }
    gpu::launch_graph(graph_, stream.handle());
  }

  bool recorded() const { return graph_ != nullptr; }
  /// Nodes of the recording: launches and copies.
  std::size_t num_nodes() const { return num_nodes_; }

 private:
  void* graph_ = nullptr;
  std::size_t num_nodes_ = 0;
  bool issued_ = false;
};

}  // namespace mbrl

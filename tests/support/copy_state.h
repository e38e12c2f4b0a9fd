// Copies of what a learner keeps between steps, in memory: what a checkpoint does through files.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "cuda/memory.h"
#include "host/algo/learner.h"
#include "host/io/archive.h"

namespace mbrl {

/// Visits `from`, then `to` with what was found there: values and tensors by their names, in any
/// memory.
///
/// Errors   ShapeError if a tensor is absent or of another shape.
inline void copy_state(const std::function<void(Archive&)>& from,
                       const std::function<void(Archive&)>& to) {
  StateWriter source;
  from(source);
  std::map<std::string, TensorRef> tensors;
  for (const auto* list : {&source.weight_tensors, &source.replay_tensors})
    for (const TensorRef& tensor : *list) tensors.emplace(tensor.name, tensor);
  StateReader reader(source.state, [&](Archive::File, const TensorRef& into) {
    const auto found = tensors.find(into.name);
    if (found == tensors.end() || found->second.dtype != into.dtype ||
        found->second.shape != into.shape)
      throw ShapeError("copy of a state: array " + into.name + " does not fit.");
    if (num_bytes(into) > 0) copy_memory(into.data, found->second.data, num_bytes(into));
  });
  to(reader);
}

/// Puts `to` into the state of `from`, a learner of the same config on any device. Both go on alike
/// from there, but for what the learner's index draws.
inline void copy_state(Learner& from, Learner& to) {
  copy_state([&](Archive& archive) { from.visit(archive); },
             [&](Archive& archive) { to.visit(archive); });
}

}  // namespace mbrl

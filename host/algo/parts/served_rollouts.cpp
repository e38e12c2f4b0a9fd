#include "host/algo/parts/served_rollouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace mbrl {
namespace {

/// The ring's next `count` records, from it or to it; waits for the stream.
void copy_ring(Stream& stream, Replay& replay, std::vector<float>& records, std::size_t count,
               bool to_ring) {
  const auto pitch = static_cast<std::size_t>(replay.layout().pitch());
  const RingView ring = replay.ring();
  records.resize(count * pitch);
  for (std::size_t done = 0; done < count;) {
    const std::size_t slot = (ring.head + done) % ring.capacity;
    const std::size_t run = std::min(count - done, ring.capacity - slot);
    float* here = records.data() + done * pitch;
    float* there = ring.records + slot * pitch;
    copy(stream, to_ring ? there : here, to_ring ? here : there, run * pitch);
    done += run;
  }
  stream.synchronize();
}

}  // namespace

void ServedRollouts::keep(Stream& stream, Replay& replay, std::size_t count) {
  if (count > replay.capacity())
    throw ConfigError(fmt::format(
        "the model replay holds {} transitions, fewer than the {} of one rollout, whose "
        "ends are served (env.end). Raise rollout.retain_epochs or loop.epoch_length.",
        replay.capacity(), count));
  copy_ring(stream, replay, overwritten_, count, false);
}

RolloutResult ServedRollouts::finish(Stream& stream, Replay& replay, const RolloutResult& rolled,
                                     int num_rows) {
  const TransitionLayout& layout = replay.layout();
  const auto pitch = static_cast<std::size_t>(layout.pitch());
  const auto S = static_cast<std::size_t>(layout.observation_size);
  const std::size_t count = rolled.num_written;
  copy_ring(stream, replay, records_, count, false);

  observations_.resize(count * S);
  for (std::size_t i = 0; i < count; ++i)
    std::copy_n(records_.data() + i * pitch + layout.next_observation(), S,
                observations_.data() + i * S);
  ends_.resize(count);
  ends_of_.ask(observations_.data(), static_cast<int>(count), ends_.data());

  RolloutResult result{.num_steps = rolled.num_steps};
  ended_.assign(static_cast<std::size_t>(num_rows), 0);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint8_t& ended = ended_[i % ended_.size()];
    if (std::exchange(ended, ended || ends_[i])) continue;
    float* record = records_.data() + i * pitch;
    record[layout.terminated()] = ends_[i] ? 1.0f : 0.0f;
    result.num_terminated += ends_[i] != 0;
    result.finite = result.finite &&
                    std::all_of(record, record + pitch, [](float x) { return std::isfinite(x); });
    std::copy_n(record, pitch, records_.data() + result.num_written * pitch);
    ++result.num_written;
  }
  const std::size_t left = count - result.num_written;
  std::copy_n(overwritten_.data() + result.num_written * pitch, left * pitch,
              records_.data() + result.num_written * pitch);
  copy_ring(stream, replay, records_, count, true);
  replay.commit(result.num_written);
  return result;
}

}  // namespace mbrl

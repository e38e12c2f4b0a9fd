#include "host/algo/parts/collector.h"

#include <algorithm>
#include <utility>

#include "host/algo/draws.h"

namespace mbrl {

Collector::Collector(Context& context, Environments& environments, Accept accept)
    : Part(context),
      environments_(environments),
      layout_(environments.layout()),
      replay_(context.stream, layout_,
              static_cast<std::size_t>(context.config.loop.replay_capacity), 0, "the real replay"),
      observation_(static_cast<std::size_t>(layout_.observation_size)),
      action_(static_cast<std::size_t>(layout_.action_size)),
      accept_(std::move(accept)) {
  context.clock.exploring = context.config.loop.num_exploration_steps > 0;
  environments.declare_return();
  context.metrics.declare("real_replay_size",
                          [this] { return static_cast<double>(replay_.size()); });
  if (accept_)
    context.metrics.declare("rejected_rows", [this] { return static_cast<double>(num_rejected_); });
}

ActionTaken Collector::step(const Act& policy) {
  RunClock& clock = context_.clock;
  const bool exploring = clock.exploring;
  const StageScope stage(context_, exploring ? "explore" : "env_step");
  choose(policy);
  const PoolStep step = environments_.step({action_.data(), 1, layout_.action_size});
  record(step);

  const bool ended = step.terminated[0] || step.truncated[0];
  const bool insert_now = ended || context_.config.loop.pool_insertion == "step";
  if (insert_now) {
    const StageRange ingest("ingest", clock.env_steps);
    replay_.append(context_.stream, pending_.data(),
                   pending_.size() / static_cast<std::size_t>(layout_.pitch()));
    pending_.clear();
  }
  std::optional<ActionTaken::Ended> episode;
  if (ended) {
    episode = {episode_return_, episode_length_, step.broken[0] != 0};
    environments_.end_episode(step, 0, episode_return_, episode_length_);
    episode_return_ = 0.0;
    episode_length_ = 0;
  }

  // exploration lasts to the end of an episode, so that its data is in the replay
  if (exploring && clock.env_steps >= context_.config.loop.num_exploration_steps && insert_now) {
    clock.exploring = false;
    clock.exploration_end = clock.env_steps;
  }
  return {observation_.data(), action_.data(), exploring, episode};
}

// the action, and the observation it is chosen on
void Collector::choose(const Act& policy) {
  const Matrix<const float> observation = environments_.pool().observation();
  std::copy_n(observation.row(0), layout_.observation_size, observation_.data());
  if (!context_.clock.exploring)
    return policy(observation, {action_.data(), 1, layout_.action_size});
  const RandomKey key{context_.seed(), purpose::kExploration, context_.learner};
  const auto step = static_cast<std::uint64_t>(context_.clock.env_steps);
  for (int i = 0; i < layout_.action_size; ++i)
    action_[i] = 2.0f * uniform01(key.bits(step, 0, static_cast<std::uint32_t>(i)).x) - 1.0f;
}

// keeps the transition, unless the simulator became unstable: then it has no meaning
void Collector::record(const PoolStep& step) {
  if (step.broken[0]) return environments_.count_broken(static_cast<Fault>(step.broken[0]));
  const std::size_t at = pending_.size();
  pending_.resize(at + static_cast<std::size_t>(layout_.pitch()), 0.0f);
  float* record = pending_.data() + at;
  std::copy(observation_.begin(), observation_.end(), record);
  std::copy(action_.begin(), action_.end(), record + layout_.action());
  record[layout_.reward()] = step.reward[0];
  record[layout_.terminated()] = step.terminated[0] ? 1.0f : 0.0f;
  std::copy_n(step.next_observation.row(0), layout_.observation_size,
              record + layout_.next_observation());
  episode_return_ += step.reward[0];
  ++episode_length_;
  if (accept_ && !accept_(record)) {
    ++num_rejected_;
    pending_.resize(at);
  }
}

// the environment is at the start of another episode: what was seen of the one before counts
void Collector::leave_episode() {
  replay_.append(context_.stream, pending_.data(),
                 pending_.size() / static_cast<std::size_t>(layout_.pitch()));
  pending_.clear();
  episode_return_ = 0.0;
  episode_length_ = 0;
}

void Collector::visit(Archive& archive) {
  if (accept_) archive.value("num_rejected", num_rejected_, 0, kMaxCount);
  archive.value("episode_return", episode_return_);
  const int chosen = context_.config.env.max_episode_steps;
  const int longest = chosen > 0 ? chosen : environments_.spec().max_episode_steps;
  archive.value("episode_length", episode_length_, 0, longest);
  std::size_t size = pending_.size();
  // whole records of one episode
  const auto pitch = static_cast<std::size_t>(layout_.pitch());
  archive.value("pending_size", size, 0, static_cast<std::size_t>(longest) * pitch);
  size = size / pitch * pitch;
  pending_.resize(size);
  archive.replay("pending", pending_);
  const Archive::Section section(archive, "real_replay");
  replay_.visit(archive, "real", static_cast<std::size_t>(context_.config.loop.replay_capacity));
  if (archive.loading() && !environments_.pool().saves_state()) leave_episode();
}

}  // namespace mbrl

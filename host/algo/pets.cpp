// Chua et al. 2018, arXiv:1805.12114, algorithm 1, in the order of kchua/handful-of-trials.
#include "host/algo/pets.h"

#include <fmt/format.h>

#include <utility>

#include "envs/tasks/planner.h"
#include "host/algo/checks.h"
#include "host/algo/memory.h"
#include "host/algo/registry.h"

namespace mbrl {
namespace {

constexpr int kMostBroken = 3;  // trials in a row that the simulator broke

}  // namespace

Pets::Pets(const Config& config, Stream& stream, Hooks hooks, std::uint32_t learner_index)
    : Learner(config, stream, std::move(hooks), learner_index, /*num_envs=*/1),
      model_(context_, environments_.layout(), observation_map(env_spec().task)),
      planner_(context_, env_spec(), model_.state()),
      collector_(context_, environments_,
                 [this, limit = config.model.max_target](const float* record) {
                   return is_learnable(model_.state().maps, model_.state().data, record, limit);
                 }) {
  context_.metrics.declare("num_trials", [this] { return static_cast<double>(num_trials_); });
  context_.metrics.declare("broken_trials", [this] { return static_cast<double>(num_broken_); });
}

bool Pets::step() {
  // a trial begins with a fit to all that the trials before it have shown
  if (begins_ && !exploring()) {
    if (!model_.fit(collector_.replay().view())) return false;
    planner_.begin_episode();
  }
  begins_ = false;

  const ActionTaken taken =
      collector_.step([this](auto observation, auto action) { planner_.act(observation, action); });
  if (taken.ended) end_trial(*taken.ended, taken.random);
  return true;
}

void Pets::end_trial(const ActionTaken::Ended& episode, bool random) {
  begins_ = true;
  planner_.end_episode();
  if (!random) {
    ++num_trials_;
    trials_.add(episode.episode_return, episode.length, episode.broken);
  }
  num_broken_ += episode.broken;
  broken_in_a_row_ = episode.broken ? broken_in_a_row_ + 1 : 0;
  if (broken_in_a_row_ < kMostBroken) return;
  throw DivergedError(fmt::format(
      "the simulator of {} became unstable in {} trials in a row, the last after {} steps: the "
      "actions that are planned break it, and a model fitted to what is left will plan the same. "
      "Another seed may do better, or a lower model.learning_rate.",
      env_spec().name, kMostBroken, episode.length));
}

void Pets::visit(Archive& archive) {
  Learner::visit(archive);
  const Archive::Section section(archive, "trials");
  archive.value("begins", begins_);
  archive.value("count", num_trials_, 0, kMaxCount);
  archive.value("broken", num_broken_, 0, kMaxCount);
  archive.value("broken_in_a_row", broken_in_a_row_, 0, kMostBroken);
}

Algorithm algorithms::pets_algorithm() {
  return {
      .name = "pets",
      .text = "planning in a learned ensemble at every step, fitted anew before each trial",
      .needs_model = true,
      .reads = {"model", "-model.num_elites", "-model.holdout_ratio", "-model.max_holdout",
                "-model.patience", "-model.min_improvement", "-model.max_epochs", "planner", "loop",
                "-loop.min_replay_size", "-loop.model_train_interval", "-loop.real_ratio",
                "-loop.pool_insertion", "-eval.interval", "-eval.num_episodes"},
      .make = make_learner_of<Pets>,
      .has_policy = false,
      .check = check_pets,
      .memory = pets_bytes};
}

}  // namespace mbrl

// AutoMBPO's controllers: small networks that read the hyper-MDP's state and choose an option for
// each of their heads. A file holds the whole stack: one joint controller, or the three of the
// released code that decide one after the other.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cuda/stream.h"
#include "host/config/config.h"
#include "host/io/safetensors.h"
#include "host/tune/autombpo/hyper_mdp.h"
#include "kernels/stages/ppo/ppo_update.h"

namespace mbrl {

namespace purpose {
inline constexpr Purpose kHyperAction{20};       // a controller's choice
inline constexpr Purpose kHyperExploration{21};  // a uniform choice instead of it
inline constexpr Purpose kHyperBatch{22};        // decisions in an update of a controller
inline constexpr Purpose kHyperInit{24};         // weights of a controller
}  // namespace purpose

/// One decision of one controller, as learning needs it.
struct HyperDecision {
  std::vector<float> state;
  std::vector<float> options;    // chosen, one per head
  std::vector<float> log_probs;  // of the controller itself, whatever epsilon did
  float value = 0.0f;            // its own estimate of the advantage to come; 0 without a value net
};

/// What a controller learns from: a hyper-episode's decisions with what followed.
struct HyperTrajectory {
  std::vector<HyperDecision> decisions;
  std::vector<double> rewards;  // one per decision
};

class ControllerStack {
 public:
  /// Untrained: weights drawn from `seed`.
  ControllerStack(Stream& stream, const Config& config, std::uint32_t seed);
  int size() const { return static_cast<int>(groups_.size()); }
  const std::vector<std::string>& heads(int group) const { return groups_[group].heads; }
  /// Heads whose values the group's state holds: its own and those that decide before it.
  const std::vector<std::string>& visible(int group) const { return groups_[group].visible; }

  /// Chooses for one group. `draw` numbers the decisions of a run, `key` is the run's own; with
  /// chance `epsilon` all options are uniform instead.
  HyperDecision decide(Stream& stream, int group, std::vector<float> state, const RandomKey& key,
                       std::uint64_t draw, float epsilon = 0.0f);

  /// Probability of each option of each head at a state.
  std::vector<std::vector<double>> probabilities(Stream& stream, int group,
                                                 const std::vector<float>& state);

  /// Proximal policy optimisation of one group on whole hyper-episodes: updates_per_episode updates
  /// for each, batches of batch_size decisions without replacement. `stage` is part of every draw.
  ///
  /// Returns  the losses of the last update.
  PpoLosses learn(Stream& stream, int group, const std::vector<HyperTrajectory>& episodes,
                  std::uint32_t seed, int stage);

  /// Checksum of all policies' weights.
  std::uint32_t fingerprint() const;

  /// Writes the file under a temporary name first.
  void save(const std::filesystem::path& file);
  /// Errors   DataError saying expected and found if the file holds other heads, state or widths.
  void load(const std::filesystem::path& file);

 private:
  struct Group {
    Group(Stream& stream, const Config& config, std::vector<std::string> own,
          std::vector<std::string> in_state);

    std::vector<std::string> heads, visible;
    PpoState state;
    PpoWorkspace workspace;
  };

  std::string description() const;
  std::vector<TensorRef> tensors();

  ControllerConfig config_;
  std::deque<Group> groups_;  // they stay where they are
};

}  // namespace mbrl

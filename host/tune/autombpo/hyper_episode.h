// A hyper-episode: what controllers decide over one run, and what they are paid for it. It knows
// nothing of the run but its measurements and returns, so that it serves runs of learners
// (steering.h) and drawn ones (controller_null.h).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/config/config.h"
#include "host/tune/autombpo/decider.h"

namespace mbrl {

class HyperEpisode {
 public:
  /// `decider` lives as long as this. `baseline`: returns of default MBPO at the run's evaluations,
  /// the last one standing for all later; empty where nobody learns from the run. `learning_group`:
  /// whose decisions the trajectory holds.
  HyperEpisode(const Config& config, Decider& decider, std::vector<double> baseline,
               int learning_group);

  struct Decision {
    std::vector<HyperDecision> by_group;
    std::vector<std::string> heads;  // whose values it chose
  };
  /// All groups see the values as they were, then each head that is applied changes its own.
  /// `may_change_length`: of the rollouts, in this decision.
  Decision decide(const HyperMeasurements& measured, bool may_change_length);
  /// Pays the last decision before it; what comes before the first counts for nobody.
  void on_evaluation(double mean_return);

  std::uint64_t num_decisions() const { return num_decisions_; }
  HyperValues& values() { return values_; }
  const HyperValues& values() const { return values_; }
  const HyperTrajectory& trajectory() const { return trajectory_; }

  bool is_applied(const std::string& head) const;
  /// All that heads could decide on.
  const std::vector<TunedHyperparameter>& tuned() const { return tuned_; }

  nlohmann::json state() const;
  void set_state(const nlohmann::json& state);

 private:
  const Config& config_;
  Decider& decider_;
  std::vector<double> baseline_;
  int learning_group_;
  std::vector<TunedHyperparameter> tuned_;
  HyperValues values_;
  std::uint64_t num_decisions_ = 0;
  std::size_t num_evaluations_ = 0;
  HyperTrajectory trajectory_;
};

/// A trajectory as JSON, and back. `heads` and `state_size` are those of the group that decided: what
/// is read goes into its networks.
///
/// Errors   of the way back: ValueError where a list is longer or shorter than they say, an option is
///          none of its head or a number is not finite; those of the JSON library where a value is
///          absent.
nlohmann::json trajectory_to_json(const HyperTrajectory& trajectory);
HyperTrajectory trajectory_from_json(const nlohmann::json& json,
                                     const std::vector<std::string>& heads, int state_size);

}  // namespace mbrl

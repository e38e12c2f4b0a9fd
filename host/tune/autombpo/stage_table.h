// stages.csv and stages.json: one row per stage, with what its hyper-episodes returned and how the
// controller learned from them.
#pragma once

#include <vector>

#include "host/tune/autombpo/folder.h"
#include "kernels/stages/ppo/ppo_update.h"

namespace mbrl {

struct StageRecord {
  int group = 0, stage = 0;
  int num_episodes = 0, num_failed = 0;
  double mean_return = 0.0;      // over evaluations and hyper-episodes
  double final_return = 0.0;     // of the last evaluations
  double baseline_return = 0.0;  // of default MBPO over the same evaluations
  double real_ratio = 0.0, updates_per_step = 0.0, rollout_length = 0.0;  // at the ends
  double share_of_fits = 0.0;                                             // of all decisions
  PpoLosses losses{};                                                     // of the last update
  double learner_seconds = 0.0;  // wall time of the learners, one after the other
};

/// The stages that a run has completed; none for a new one.
std::vector<StageRecord> read_stages(const AutoMbpoFolder& folder);
void write_stages(const AutoMbpoFolder& folder, const std::vector<StageRecord>& stages);

}  // namespace mbrl

// Each stage on the GPU and, from the same state, on the CPU: what the stages call where their stream has a
// check (kernels/stages/check/twin_check.h). What takes many gradient steps in a call takes them one by one
// here, each compared before the next.
#pragma once

#include <memory>

#include "cuda/stream.h"
#include "kernels/stages/ensemble/ensemble_step.h"
#include "kernels/stages/plan/plan.h"
#include "kernels/stages/policy/policy.h"
#include "kernels/stages/ppo/gae.h"
#include "kernels/stages/ppo/ppo_update.h"
#include "kernels/stages/rollout/rollout.h"
#include "kernels/stages/sac/sac_update.h"

namespace mbrl::checked {

/// Where the CPU's part of a workspace on `stream` works: there, or under the check of a GPU. Null
/// on a GPU without a check.
Stream* cpu_of(Stream& stream);

/// The results are the GPU's. stream: one with a check.
///
/// Errors   those of the stage on either device.
/// Cost     a copy of the state and of the replays to the host, and the stage on the CPU: for trust in a new
///          card or compiler, not for training.
void policy_act(Stream& stream, const GaussianActor& policy, const ActRequest& request,
                PolicyWorkspace& workspace);
void policy_log_prob(Stream& stream, const GaussianActor& policy, Matrix<const float> observation,
                     Matrix<const float> action, Vector<float> log_prob,
                     PolicyWorkspace& workspace);
void sac_update(Stream& stream, const SacCall& call, SacWorkspace& workspace);
void ppo_act(Stream& stream, const PpoState& state, const PpoActRequest& request,
             PpoWorkspace& workspace);
void ppo_update(Stream& stream, const PpoCall& call, PpoWorkspace& workspace);
void gae(Stream& stream, Matrix<float> advantage, Matrix<float> value_target, const GaeIn& in,
         float discount, float lambda);

/// A stage that runs `gpu` and compares.
std::unique_ptr<EnsembleStage> ensemble_stage(Stream& stream, std::unique_ptr<EnsembleStage> gpu,
                                              const EnsembleState& state, int batch_size);
std::unique_ptr<RolloutStage> rollout_stage(Stream& stream, std::unique_ptr<RolloutStage> gpu,
                                            const GaussianActor& policy, const EnsembleState& model,
                                            int max_rows, int num_elites);
std::unique_ptr<PlanStage> plan_stage(Stream& stream, std::unique_ptr<PlanStage> gpu,
                                      const EnsembleState& model, const PlanLimits& limits,
                                      int num_problems);

}  // namespace mbrl::checked

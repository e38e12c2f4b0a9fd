// What must hold between the keys of a section, for the algorithms that read it.
#pragma once

#include "envs/spec.h"
#include "host/config/check.h"
#include "host/config/config.h"

namespace mbrl {

/// Sizes whose products would not fit the types that count them, and no machine's memory either:
/// of every run, since a key that is not read now may be in the next one.
void check_sizes(const Config& config, const Require& require);

/// loop: the real replay.
void check_replay(const Config& config, const Require& require);

/// sac.
void check_soft_actor_critic(const Config& config, const Require& require);

/// model, and the exploration that the first fit needs.
void check_dynamics(const Config& config, const Require& require);

/// planner, the networks that it plans in, and an environment whose steps have a cost to plan by.
void check_pets(const Config& config, const Require& require);

/// What a search for actions of an environment can do: how long a plan may be, and whether a search
/// begins at all. Of a config that check_pets() has passed.
void check_searches(const Config& config, const EnvSpec& env, const Require& require);

/// rollout.
void check_imagination(const Config& config, const Require& require);

/// The model replay holds what one step of the shortest rollout writes.
void check_model_replay(const Config& config, const Require& require);

/// controller, of a run that one steers or trains.
void check_controller(const Config& config, const Require& require);

/// All keys of MBPO, under a controller where the config names one.
void check_mbpo(const Config& config, const Require& require);

/// All keys of MBPO under a controller, whose own rollouts divide an epoch.
void check_steered_mbpo(const Config& config, const Require& require);

}  // namespace mbrl

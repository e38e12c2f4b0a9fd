// Every choice a user can make.
//
// A section is a struct of keys in host/config/sections (env, mjcf and process: envs/options.h). Each key
// stands there once, with type, meaning, unit, limits and default; loading, overrides, help,
// schema, the saved config and its hash follow from that. The defaults are the reference MBPO
// (Janner et al. 2019, arXiv:1906.08253); a config file holds only what differs.
#pragma once

#include <string>

#include "base/keys.h"
#include "envs/env.h"
#include "host/config/algorithms.h"
#include "host/config/sections/autombpo.h"
#include "host/config/sections/checkpoint.h"
#include "host/config/sections/controller.h"
#include "host/config/sections/device.h"
#include "host/config/sections/eval.h"
#include "host/config/sections/log.h"
#include "host/config/sections/loop.h"
#include "host/config/sections/model.h"
#include "host/config/sections/pbt.h"
#include "host/config/sections/planner.h"
#include "host/config/sections/population.h"
#include "host/config/sections/ppo.h"
#include "host/config/sections/rollout.h"
#include "host/config/sections/sac.h"
#include "host/config/sections/tune.h"

namespace mbrl {

/// One run. Sections appear under these names in JSON; mjcf and process, parts of env, stand beside it.
struct Config {
  MBRL_KEY(std::string, name, "folder of the run under the runs directory") = "run";
  MBRL_KEY(std::string, algorithm, "what learns", Choices{algorithm_names()}) = "mbpo";
  MBRL_KEY(int, seed, "key of all random draws of the run", at_least(0)) = 0;
  MBRL_KEY(std::string, schedule,
           "file of values that keys take over time, as `mbrl_gpu tune --schedule` prints; empty: "
           "none") = "";
  MBRL_SECTION(EnvOptions, env);
  MBRL_SECTION(ModelConfig, model);
  MBRL_SECTION(PlannerConfig, planner);
  MBRL_SECTION(RolloutConfig, rollout);
  MBRL_SECTION(SacConfig, sac);
  MBRL_SECTION(PpoConfig, ppo);
  MBRL_SECTION(LoopConfig, loop);
  MBRL_SECTION(EvalConfig, eval);
  MBRL_SECTION(LogConfig, log);
  MBRL_SECTION(CheckpointConfig, checkpoint);
  MBRL_SECTION(DeviceConfig, device);
  MBRL_SECTION(ControllerConfig, controller);
  MBRL_SECTION(AutoMbpoConfig, autombpo);
  MBRL_SECTION(PopulationConfig, population);
  MBRL_SECTION(TuneConfig, tune);
  MBRL_SECTION(PbtConfig, pbt);
};

}  // namespace mbrl

// Section "planner": the search for actions in a learned model.
#pragma once

#include <string>

#include "base/keys.h"

namespace mbrl {

/// Planning by imagined rollouts of action sequences; the defaults are those of PETS (Chua et al.
/// 2018, arXiv:1805.12114) on HalfCheetah.
struct PlannerConfig {
  MBRL_KEY(std::string, method,
           "search: cem, random (shooting: one iteration, the best candidate's first action), mppi "
           "(path integral) or icem (cem with coloured noise and kept elites)",
           Choices{{"cem", "random", "mppi", "icem"}}, kLive) = "cem";
  MBRL_KEY(int, iterations, "iterations of a search at most", at_least(1), kLive) = 5;
  MBRL_KEY(int, population, "action sequences of an iteration; of random all there are",
           Unit{"candidates"}, at_least(1), kLive) = 500;
  // the number of elites is what is left of a product in double
  MBRL_KEY(double, elites_ratio, "share of the candidates that the next iteration learns from",
           Range{.low = 0, .high = 1, .low_open = true}, kLive) = 0.1;
  MBRL_KEY(float, alpha, "share of the old mean and variance that an iteration keeps",
           Range{.low = 0, .high = 1, .high_open = true}, kLive) = 0.1f;
  MBRL_KEY(int, horizon, "length of an action sequence", Unit{"model steps"}, at_least(1),
           kLive) = 30;
  MBRL_KEY(int, particles,
           "rollouts of a candidate; a multiple of model.ensemble_size where members share them",
           at_least(1), kLive) = 20;
  MBRL_KEY(std::string, propagation,
           "which member predicts which particle: ts_inf the same for the whole horizon, ts1 dealt "
           "anew before each step, e the mean of all without noise, ds and mm all of them (their "
           "mixture's moments; mm draws the particles anew from their own)",
           Choices{{"ts_inf", "ts1", "e", "ds", "mm"}}, kLive) = "ts_inf";
  MBRL_KEY(float, min_variance, "a search ends where no action's variance is larger",
           Unit{"squares of the control's unit"}, at_least(0), kLive) = 0.001f;
  MBRL_KEY(float, temperature, "mppi: cost that divides a candidate's weight by e",
           Unit{"cost units"}, above(0), kLive) = 1.0f;
  MBRL_KEY(float, noise, "mppi: standard deviation of the candidates", Unit{"normalized actions"},
           above(0), kLive) = 0.5f;
  MBRL_KEY(float, color, "icem: exponent of the noise's spectrum over time; 0: white", at_least(0),
           kLive) = 2.0f;
  MBRL_KEY(float, keep, "icem: share of the elites that the next iteration sees again",
           between(0, 1), kLive) = 0.3f;
  MBRL_KEY(float, shrink, "icem: divisor of the population from one iteration to the next",
           at_least(1), kLive) = 1.25f;
  MBRL_KEY(int, max_population,
           "the most that planner.population may become during a run; 0: it stays",
           Unit{"candidates"}, at_least(0)) = 0;
  MBRL_KEY(int, max_horizon, "the same of planner.horizon", Unit{"model steps"}, at_least(0)) = 0;
  MBRL_KEY(int, max_particles, "the same of planner.particles", at_least(0)) = 0;
};

}  // namespace mbrl

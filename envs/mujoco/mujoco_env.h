// What all MuJoCo robots share: model, control step, stability checks, state.
#pragma once

#include <mujoco/mujoco.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "envs/env.h"

namespace mbrl {

/// A capsule of a robot, in its body's frame, metres.
struct Capsule {
  double from[3], to[3];
  double radius;
};

/// `<inertial>` of a body made of one capsule as MuJoCo 1.50 compiled it: a cylinder of the
/// capsule's radius r and length h + r, where h is the length of the axis (exact capsules came
/// with 2.1.2). density in kg/m^3.
std::string old_capsule_inertial(const Capsule& capsule, double density);

/// The text "x y z" of a capsule's end points, for fromto.
std::string fromto(const Capsule& capsule);

/// One robot on MuJoCo. A robot's file gives the model, the reset noise, the observation and the
/// outcome of a step; this class does the rest. Models are compiled once per text and shared.
class MujocoEnv : public Env {
 public:
  ~MujocoEnv() override;
  MujocoEnv(const MujocoEnv&) = delete;
  MujocoEnv& operator=(const MujocoEnv&) = delete;
  const EnvSpec& spec() const override { return spec_; }
  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override;
  StepResult step(std::span<const float> action, std::span<float> observation) override;

  /// qpos, qvel, act, qacc_warmstart, time: without the warm start a restored simulation drifts
  /// away in the last bits.
  int state_size() const override;
  void get_state(std::span<double> state) const override;
  void set_state(std::span<const double> state) override;

  const mjModel& model() const { return *model_; }
  const mjData& data() const { return *data_; }

 protected:
  MujocoEnv(EnvSpec spec, const std::string& mjcf, int frame_skip);

  /// Adds the reset noise to qpos0 and zero velocity. uniform(i) is draw i in [-1, 1).
  virtual void perturb(mjData& data, const std::function<double(int)>& uniform) = 0;
  virtual void observe(const mjData& data, std::span<float> observation) const = 0;
  /// Reward and end after a step of `spec().dt` seconds that began at root position `x_before`.
  virtual StepResult outcome(const mjData& data, double x_before) const = 0;

 private:
  bool unstable(double time_before) const;

  EnvSpec spec_;
  std::shared_ptr<const mjModel> model_;
  mjData* data_;
  int frame_skip_;
};

/// "MuJoCo 2.2.2": the library the program runs with.
std::string mujoco_name();

std::unique_ptr<Env> make_hopper(const EnvOptions& options);
std::unique_ptr<Env> make_inverted_pendulum(const EnvOptions& options);

}  // namespace mbrl

// What all MuJoCo robots share: model, control step, stability checks, state.
#pragma once

#include <mujoco/mujoco.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "envs/env.h"

namespace mbrl {

/// A capsule of a robot, in its body's frame, metres; a sphere if its ends coincide.
struct Capsule {
  double from[3], to[3];
  double radius;
};

/// `<inertial>` of a body as MuJoCo 1.50 compiled it: a capsule of radius r and axis length h
/// weighs as a cylinder of that radius and length h + r (exact capsules came with 2.1.2), a sphere
/// as a sphere. density in kg/m^3.
std::string old_inertial(const std::vector<Capsule>& body, double density);

/// The attributes of a geom that say what it is: type, place and size.
std::string shape(const Capsule& capsule);

/// Draws of one reset, a function of (seed, episode, i) alone.
struct ResetNoise {
  RandomKey key;
  std::uint64_t episode;

  /// Draw i in [-1, 1), and draw i of a standard normal. Both use the same random bits: one place
  /// of the state takes one of them.
  double uniform(int i) const;
  double gaussian(int i) const;
};

/// One robot on MuJoCo. A robot's file gives the model, the reset noise, the observation and the
/// outcome of a step; this class does the rest. Models are compiled once per text and shared.
///
/// Robots with few limits and contacts say so with njmax: MuJoCo's own 500 rows of constraints make
/// a state of 3 MiB, which every reset clears and no core's cache holds.
class MujocoEnv : public Env {
 public:
  ~MujocoEnv() override;
  MujocoEnv(const MujocoEnv&) = delete;
  MujocoEnv& operator=(const MujocoEnv&) = delete;
  const EnvSpec& spec() const override { return spec_; }
  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override;
  bool simulate(std::span<const float> action) override;

  /// qpos, qvel, act, qacc_warmstart, time: without the warm start a restored simulation drifts
  /// away in the last bits.
  int state_size() const override;
  void get_state(std::span<double> state) const override;
  void set_state(std::span<const double> state) override;

  const mjModel& model() const { return *model_; }
  const mjData& data() const { return *data_; }

 protected:
  /// contact_forces: compute data.cfrc_ext after each step, for outcome(). Throws DataError if the
  /// model has not as many actuators as the task has actions.
  MujocoEnv(EnvSpec spec, const std::string& mjcf, int frame_skip, bool contact_forces = false);
  MujocoEnv(EnvSpec spec, std::shared_ptr<const mjModel> model, int frame_skip,
            bool contact_forces = false);

  /// Adds the reset noise to qpos0 and zero velocity.
  virtual void perturb(mjData& data, const ResetNoise& noise) = 0;
  virtual void observe(const mjData& data, std::span<float> observation) const = 0;
  /// The coordinate whose change is rewarded, m, of the present qpos; what it computes on the way
  /// stays in data, which the next step computes again.
  virtual double forward_position(mjData& data) const { return data.qpos[0]; }
  /// Reward and end after a step of `spec().dt` seconds in which forward_position() moved by dx.
  virtual StepResult outcome(const mjData& data, double dx) const = 0;

  /// Adds width * draw to every position, then to every velocity: uniform draws, or normal ones for
  /// the velocities.
  void add_noise(mjData& data, const ResetNoise& noise, double width,
                 bool gaussian_velocities = false) const;
  /// The positions but the first `skip`, then the velocities clipped to +-limit. Throws DataError
  /// if the model's are not as many as the task's observation has entries.
  void observe_state(const mjData& data, std::span<float> observation, int skip,
                     double limit = std::numeric_limits<double>::infinity()) const;
  /// Sum of squares of the actuator controls that acted during the step.
  double squared_control() const;

 private:
  StepResult do_step(std::span<const float> action, std::span<float> observation) override;
  void set_controls(std::span<const float> action);
  void advance();
  Fault fault(double time_before) const;

  EnvSpec spec_;
  std::shared_ptr<const mjModel> model_;
  mjData* data_;
  int frame_skip_;
  bool contact_forces_;
};

/// The model of an MJCF file, shared by all who load the same path.
///
/// Errors   ConfigError if there is no such file, DataError with MuJoCo's text if it does not
/// parse.
std::shared_ptr<const mjModel> load_model(const std::string& path);

/// "MuJoCo 2.2.2": the library the program runs with.
std::string mujoco_name();

std::unique_ptr<Env> make_ant(const EnvOptions& options);
std::unique_ptr<Env> make_halfcheetah(const EnvOptions& options);
std::unique_ptr<Env> make_hopper(const EnvOptions& options);
std::unique_ptr<Env> make_humanoid(const EnvOptions& options);
std::unique_ptr<Env> make_inverted_double_pendulum(const EnvOptions& options);
std::unique_ptr<Env> make_inverted_pendulum(const EnvOptions& options);
std::unique_ptr<Env> make_mjcf(const EnvOptions& options);
std::unique_ptr<Env> make_swimmer(const EnvOptions& options);
std::unique_ptr<Env> make_walker2d(const EnvOptions& options);

}  // namespace mbrl

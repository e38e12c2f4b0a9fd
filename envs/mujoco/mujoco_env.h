// What all MuJoCo robots share: model, control step, stability checks, state.
#pragma once

#include <mujoco/mujoco.h>

#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"
#include "envs/env.h"

namespace mbrl {

/// A capsule of a robot, in its body's frame, meters; a sphere if its ends coincide.
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

/// Joint speeds beyond this are an explosion, whatever the engine says (rad/s or m/s).
inline constexpr double kMaxSpeed = 1e3;

/// What is computed anew after a step for observation and reward, so that it is of the step's last
/// state: the engine leaves places, and with them sensors, at the state before its last integration.
/// Each has all that stands before it.
enum class Fresh {
  kNothing,
  kPlaces,           // of bodies, sites and geoms; centers of mass
  kPositionSensors,  // sensors by what they need
  kVelocitySensors,
  kAllSensors,  // forces, accelerations, touch
};

/// One step of a robot: what its reward and its end are made of.
struct MujocoStep {
  const mjModel& model;
  const mjData& data;                  // after the step
  std::span<const float> observation;  // after the step
  std::span<const float> before;       // observation of the state before; for robots that read it
  double dx;                           // m that the rewarded coordinate moved
  double dt;                           // s
  double squared_control;              // sum of squares of the actuator controls that acted
};

/// What a robot's file says about it; MujocoEnv does the rest. A robot gives `outcome`, and of the
/// other functions those in which it differs from most.
///
/// Robots with few limits and contacts say so with njmax in their model: MuJoCo's own 500 rows of
/// constraints make a state of 3 MiB, which every reset clears and no core's cache holds.
struct MujocoRobot {
  EnvSpec spec;
  std::shared_ptr<const mjModel> model;
  int frame_skip;  // steps of the simulator in one of the environment

  /// Reward and end of a step.
  std::function<StepResult(const MujocoStep& step)> outcome;
  bool contact_forces = false;    // outcome() reads data.cfrc_ext: compute it after each step
  bool reads_before = false;      // outcome() reads step.before
  Fresh fresh = Fresh::kNothing;  // what observe() and outcome() read of the last state
  // mocap bodies stand elsewhere than in the model: their places are a part of the state
  bool moves_mocap = false;

  double reset_noise =
      0.0;  // every position and velocity starts at rest + U(-1, 1) reset_noise ...
  bool gaussian_velocities = false;  // ... but velocities at rest + N(0, 1) reset_noise ...
  bool gaussian_positions = false;   // ... and positions too
  bool observes_speed = false;       // the first entry is dx / dt of the last step, 0 at a start
  int skip_positions = 0;            // leading positions that are not observed
  int keyframe = -1;                 // <key> of the model that is the rest state; -1: qpos0, still
  double max_speed = kMaxSpeed;      // rad/s or m/s; a faster joint makes the step invalid
  double velocity_limit =
      std::numeric_limits<double>::infinity();  // observed ones are clipped to it

  /// Moves the rest state to a start state. Usual: by reset_noise.
  std::function<void(mjData& data, const ResetNoise& noise)> start = {};
  /// After the usual start: what starts elsewhere.
  std::function<void(mjData& data, const ResetNoise& noise)> place = {};
  /// Usual: the speed where it is observed, positions but the first skip_positions, velocities
  /// clipped to velocity_limit.
  std::function<void(const mjData& data, std::span<float> observation)> observe = {};
  /// The rewarded coordinate, m, of the present qpos; what it computes on the way stays in data,
  /// which the next step computes again. Usual: qpos[0].
  std::function<double(const mjModel& model, mjData& data)> forward_position = {};
};

/// One robot on MuJoCo.
class MujocoEnv : public Env {
 public:
  /// Throws DataError if the model has not as many actuators as the task has actions.
  explicit MujocoEnv(MujocoRobot robot);
  ~MujocoEnv() override;
  MujocoEnv(const MujocoEnv&) = delete;
  MujocoEnv& operator=(const MujocoEnv&) = delete;
  const EnvSpec& spec() const override { return robot_.spec; }
  void reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) override;
  bool simulate(std::span<const float> action) override;

  /// qpos, qvel, act, qacc_warmstart, time: without the warm start a restored simulation drifts
  /// away in the last bits. After them places and quaternions of mocap bodies, where these move.
  int state_size() const override;
  void get_state(std::span<double> state) const override;
  void set_state(std::span<const double> state) override;

  const mjModel& model() const { return *robot_.model; }
  std::shared_ptr<const mjModel> shared_model() const { return robot_.model; }
  const mjData& data() const { return *data_; }

 private:
  StepResult do_step(std::span<const float> action, std::span<float> observation) override;
  void start(const ResetNoise& noise);
  void observe(double speed, std::span<float> observation);
  void refresh();
  double forward_position();
  void set_controls(std::span<const float> action);
  double squared_control() const;
  void advance();
  template <typename Simulate>
  void simulate_or_advise(Simulate&& simulate);
  Fault fault(double time_before) const;

  MujocoRobot robot_;
  mjData* data_;
  std::vector<float> before_;  // [S]; empty where robot_ does not read it
};

/// The model of an MJCF text of ours. Models are compiled once per text and shared. Geoms that can
/// touch have one margin, which is that of their contacts under any MuJoCo (sums_margins).
///
/// Errors   DataError with MuJoCo's text if it does not parse, or of require_mujoco.
std::shared_ptr<const mjModel> compile_model(const std::string& mjcf);

/// The model of an MJCF file, shared by all who load the same path. Its margins mean what they mean
/// to this MuJoCo.
///
/// Errors   ConfigError if there is no such file, DataError with MuJoCo's text if it does not
/// parse, or of require_mujoco.
std::shared_ptr<const mjModel> load_model(const std::string& path);

/// The user's own robot of env.name=mjcf.
std::unique_ptr<Env> make_mjcf(const EnvOptions& options);

/// What its user should know of it and no error says, such as a <key> that is not used; "" if
/// there is nothing.
std::string mjcf_note(const EnvOptions& options);

}  // namespace mbrl

// Hopper on MuJoCo: a one-legged robot in the plane that must hop forward.
//
// Matches Hopper-v2 of OpenAI Gym 0.12.0; with capsule_masses = exact also Hopper-v4 of Gymnasium,
// whose v5 withholds the reward of 1 on the step that ends the episode.
//
//   action       3: torques at thigh, leg, foot; [-1, 1], gear 200 N m
//   observation 11: 0 torso height z (m), 1 torso angle, 2 thigh, 3 leg, 4 foot (rad),
//                   5 x', 6 z' (m/s), 7..10 rates of the four angles (rad/s); velocities are
//                   clipped to +-10
//   reward          x' + 1 - 0.001 |u|^2, x' the mean over the step of 0.008 s
//   terminated      torso below 0.7 m or leaning by 0.2 rad, or an entry of the state beyond 100
//   reset           upright at rest; every position and velocity + U(-0.005, 0.005)
//
// hopper12 is the same robot in episodes that a fall does not end
// (automl/HPO_for_RL:dmbrl/env/hopper.py):
//
//   observation 12: 0 the mean of x' over the step (m/s), 0 at a start; 1..11 as above
//   reward          x' - 0.001 |u|^2, + 1 while it stands, which is while hopper's episode goes on
//   terminated      never
#include "envs/tasks/hopper.h"

#include "envs/mujoco/mujoco_env.h"
#include "envs/tasks/hopper12.h"

namespace mbrl {
namespace {

// body frames lie at the joints; z = 1.25 m is the torso's center
constexpr Capsule kTorso{{0, 0, 0.2}, {0, 0, -0.2}, 0.05};
constexpr Capsule kThigh{{0, 0, 0}, {0, 0, -0.45}, 0.05};
constexpr Capsule kLeg{{0, 0, 0}, {0, 0, -0.5}, 0.04};
constexpr Capsule kFoot{{-0.13, 0, 0}, {0.26, 0, 0}, 0.06};

std::string mjcf(bool old_masses) {
  const auto geom = [&](const char* name, const Capsule& c, const char* friction) {
    return "<geom name=\"" + std::string(name) + "\" " + shape(c) + " friction=\"" + friction +
           "\"/>" + (old_masses ? old_inertial({c}, 1000.0) : "");
  };
  return R"(<mujoco model="hopper">
  <compiler angle="degree"/>
  <option timestep="0.002" integrator="RK4"/>
  <size njmax="100"/>
  <default>
    <joint armature="1" damping="1" limited="true"/>
    <geom condim="1" contype="1" conaffinity="1" margin="0.001" solref="0.02 1" solimp="0.8 0.8 0.01"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="200"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" condim="3"/>
    <body name="torso" pos="0 0 1.25">
      <joint name="rootx" type="slide" axis="1 0 0" armature="0" damping="0" limited="false"/>
      <joint name="rootz" type="slide" axis="0 0 1" armature="0" damping="0" limited="false" ref="1.25"/>
      <joint name="rooty" type="hinge" axis="0 1 0" armature="0" damping="0" limited="false"/>
      )" +
         geom("torso", kTorso, "0.9") + R"(
      <body name="thigh" pos="0 0 -0.2">
        <joint name="thigh" type="hinge" axis="0 -1 0" range="-150 0"/>
        )" +
         geom("thigh", kThigh, "0.9") + R"(
        <body name="leg" pos="0 0 -0.45">
          <joint name="leg" type="hinge" axis="0 -1 0" range="-150 0"/>
          )" +
         geom("leg", kLeg, "0.9") + R"(
          <body name="foot" pos="0 0 -0.5">
            <joint name="foot" type="hinge" axis="0 -1 0" range="-45 45"/>
            )" +
         geom("foot", kFoot, "2.0") + R"(
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="thigh"/>
    <motor joint="leg"/>
    <motor joint="foot"/>
  </actuator>
</mujoco>)";
}

// the end rule sees the state, not the clipped observation
bool fallen(const MujocoStep& s) {
  const double *q = s.data.qpos, *v = s.data.qvel;
  const double others[10] = {q[2], q[3], q[4], q[5], v[0], v[1], v[2], v[3], v[4], v[5]};
  return hopper_terminated<double>(q[1], q[2], others, 10);
}

StepResult outcome(const MujocoStep& s) {
  return {.reward = static_cast<float>(hopper_reward(s.dx, s.dt, s.squared_control)),
          .terminated = fallen(s)};
}

StepResult outcome12(const MujocoStep& s) {
  return {.reward =
              hopper12_reward(s.observation[0], static_cast<float>(s.squared_control), !fallen(s))};
}

}  // namespace

std::unique_ptr<Env> make_hopper(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "hopper",
               .task = TaskId::kHopper,
               .observation_size = 11,
               .action_size = 3,
               .max_episode_steps = 1000,
               .dt = 0.008,
               .description = "one leg, hop forward (Gym Hopper-v2)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 4,
      .outcome = outcome,
      .reset_noise = 0.005,
      .skip_positions = 1,
      .velocity_limit = 10.0,
  });
}

std::unique_ptr<Env> make_hopper12(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "hopper12",
               .task = TaskId::kHopper12,
               .observation_size = 12,
               .action_size = 3,
               .max_episode_steps = 1000,
               .dt = 0.008,
               .description =
                   "hopper that observes its speed and goes on when fallen (HPO for MBRL)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 4,
      .outcome = outcome12,
      .reset_noise = 0.005,
      .observes_speed = true,
      .skip_positions = 1,
      .velocity_limit = 10.0,
  });
}

}  // namespace mbrl

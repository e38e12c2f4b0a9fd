// Walker2d on MuJoCo: two legs in the plane that must walk forward.
//
// Matches Walker2d-v2 of OpenAI Gym 0.12.0; with capsule_masses = exact also Walker2d-v4 of
// Gymnasium, whose v5 withholds the reward of 1 on the step that ends the episode and gives both
// feet the friction 1.9.
//
//   action       6: torques at thigh, leg, foot, then those of the left side; [-1, 1], gear 100 N m
//   observation 17: 0 torso height z (m), 1 torso angle, 2 thigh, 3 leg, 4 foot, 5..7 left thigh,
//                   leg, foot (rad), 8 x', 9 z' (m/s), 10..16 rates of the seven angles (rad/s),
//                   velocities clipped to +-10
//   reward          x' + 1 - 0.001 |u|^2, x' the mean over the step of 0.008 s
//   terminated      torso not between 0.8 and 2 m, or leaning by 1 rad
//   reset           upright at rest; every position and velocity + U(-0.005, 0.005)
#include "envs/tasks/walker2d.h"

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

// body frames lie at the joints; z = 1.25 m is the torso's center
constexpr Capsule kTorso{{0, 0, 0.2}, {0, 0, -0.2}, 0.05};
constexpr Capsule kThigh{{0, 0, 0}, {0, 0, -0.45}, 0.05};
constexpr Capsule kLeg{{0, 0, 0}, {0, 0, -0.5}, 0.04};
constexpr Capsule kFoot{{0, 0, 0}, {0.2, 0, 0}, 0.06};

std::string mjcf(bool old_masses) {
  const auto geom = [&](const std::string& name, const Capsule& c, const char* friction) {
    return "<geom name=\"" + name + "\" " + shape(c) + " friction=\"" + friction + "\"/>" +
           (old_masses ? old_inertial({c}, 1000.0) : "");
  };
  const auto hinge = [](const std::string& name, const char* range) {
    return "<joint name=\"" + name + "\" type=\"hinge\" axis=\"0 -1 0\" range=\"" + range + "\"/>";
  };
  const auto side = [&](const std::string& suffix, const char* foot_friction) {
    const std::string thigh = "thigh" + suffix, leg = "leg" + suffix, foot = "foot" + suffix;
    return "<body name=\"" + thigh + "\" pos=\"0 0 -0.2\">" + hinge(thigh, "-150 0") +
           geom(thigh, kThigh, "0.9") + "<body name=\"" + leg + "\" pos=\"0 0 -0.45\">" +
           hinge(leg, "-150 0") + geom(leg, kLeg, "0.9") + "<body name=\"" + foot +
           "\" pos=\"0 0 -0.5\">" + hinge(foot, "-45 45") + geom(foot, kFoot, foot_friction) +
           "</body></body></body>";
  };
  return R"(<mujoco model="walker2d">
  <compiler angle="degree"/>
  <option timestep="0.002" integrator="RK4"/>
  <size njmax="100"/>
  <default>
    <joint armature="0.01" damping="0.1" limited="true"/>
    <geom condim="3" contype="1" conaffinity="0" friction="0.7 0.1 0.1"/>
    <motor ctrllimited="true" ctrlrange="-1 1" gear="100"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 1.25">
      <joint name="rootx" type="slide" axis="1 0 0" armature="0" damping="0" limited="false"/>
      <joint name="rootz" type="slide" axis="0 0 1" armature="0" damping="0" limited="false" ref="1.25"/>
      <joint name="rooty" type="hinge" axis="0 1 0" armature="0" damping="0" limited="false"/>
      )" +
         geom("torso", kTorso, "0.9") +
         // the reference's feet differ in friction, and the published curves were made with them
         side("", "0.9") + side("_left", "1.9") + R"(
    </body>
  </worldbody>
  <actuator>
    <motor joint="thigh"/>
    <motor joint="leg"/>
    <motor joint="foot"/>
    <motor joint="thigh_left"/>
    <motor joint="leg_left"/>
    <motor joint="foot_left"/>
  </actuator>
</mujoco>)";
}

StepResult outcome(const MujocoStep& s) {
  return {.reward = static_cast<float>(walker2d_reward(s.dx, s.dt, s.squared_control)),
          .terminated = walker2d_terminated<double>(s.data.qpos[1], s.data.qpos[2])};
}

}  // namespace

std::unique_ptr<Env> make_walker2d(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "walker2d",
               .task = TaskId::kWalker2d,
               .observation_size = 17,
               .action_size = 6,
               .max_episode_steps = 1000,
               .dt = 0.008,
               .description = "two legs, walk forward (Gym Walker2d-v2)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 4,
      .outcome = outcome,
      .reset_noise = 0.005,
      .skip_positions = 1,
      .velocity_limit = 10.0,
  });
}

}  // namespace mbrl

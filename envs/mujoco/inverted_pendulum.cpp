// Inverted pendulum on MuJoCo: a pole hinged on a cart that must stay upright.
//
// Matches InvertedPendulum-v2 of OpenAI Gym 0.12.0; with capsule_masses = exact also v4 of
// Gymnasium, whose v5 withholds the reward on the step that ends the episode.
//
//   action       1: force on the cart; [-1, 1] is [-3, 3], gear 100 N
//   observation  4: 0 cart position (m), 1 pole angle (rad), 2 and 3 their rates
//   reward          1, the last step included
//   terminated      the pole leans by more than 0.2 rad, or an entry is not finite
//   reset           upright at rest; every position and velocity + U(-0.01, 0.01)
#include "envs/tasks/inverted_pendulum.h"

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

constexpr Capsule kCart{{-0.1, 0, 0}, {0.1, 0, 0}, 0.1};
constexpr Capsule kPole{{0, 0, 0}, {0.001, 0, 0.6}, 0.049};

std::string mjcf(bool old_masses) {
  const auto geom = [&](const Capsule& c) {
    return "<geom " + shape(c) + "/>" + (old_masses ? old_inertial({c}, 1000.0) : "");
  };
  return R"(<mujoco model="inverted_pendulum">
  <compiler angle="degree"/>
  <option timestep="0.02" integrator="RK4"/>
  <size njmax="20"/>
  <default>
    <joint armature="0" damping="1" limited="true"/>
    <geom contype="0" conaffinity="0"/>
  </default>
  <worldbody>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" range="-1 1"/>
      )" +
         geom(kCart) + R"(
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" range="-90 90"/>
        )" +
         geom(kPole) + R"(
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="slider" gear="100" ctrllimited="true" ctrlrange="-3 3"/>
  </actuator>
</mujoco>)";
}

StepResult outcome(const MujocoStep& s) {
  const mjData& d = s.data;
  const double state[4] = {d.qpos[0], d.qpos[1], d.qvel[0], d.qvel[1]};
  return {.reward = static_cast<float>(inverted_pendulum_reward()),
          .terminated = inverted_pendulum_terminated(state)};
}

}  // namespace

std::unique_ptr<Env> make_inverted_pendulum(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "inverted_pendulum",
               .task = TaskId::kInvertedPendulum,
               .observation_size = 4,
               .action_size = 1,
               .max_episode_steps = 1000,
               .dt = 0.04,
               .description = "pole on a cart, stay upright (Gym InvertedPendulum-v2)",
               .reads = {"env.capsule_masses"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 2,
      .outcome = outcome,
      .reset_noise = 0.01,
  });
}

}  // namespace mbrl

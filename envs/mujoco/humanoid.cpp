// Humanoid on MuJoCo: a body with arms and legs that must walk forward.
//
// Matches HumanoidTruncatedObs-v2 of jannerm/mbpo, which is Humanoid-v2 of OpenAI Gym 0.12.0 with
// positions and velocities alone in its observation; with capsule_masses = exact also Humanoid-v5
// of Gymnasium with the same entries, but for the reward of 5 that v5 withholds on the step that
// ends the episode. capsule_masses = exact takes the left hip's range from Gymnasium as well (from
// -110 degrees, as the right one's, instead of -120).
//
//   action      17: torques at abdomen y, z, x, right hip x, z, y, right knee, left hip x, z, y,
//                   left knee, right shoulder 1, 2, right elbow, left shoulder 1, 2, left elbow;
//                   [-1, 1] is [-0.4, 0.4], gears 100, 100, 100, 100, 100, 300, 200, the same for
//                   the left leg, 25 for the arms (N m)
//   observation 45: 0 torso height z (m), 1..4 its quaternion (w, x, y, z), 5..21 the joints'
//                   angles in the order of the actions, but abdomen z before y (rad), 22..24 torso
//                   velocity in the world's axes (m/s), 25..27 angular velocity in its own
//                   (rad/s), 28..44 rates of the joints (rad/s)
//   reward          1.25 x' + 5 - 0.1 |u|^2 - min(5e-7 |f|^2, 10), x' the center of mass's mean
//                   velocity over the step of 0.015 s; f the external forces (N) and torques (N m)
//                   on every body, absent if contact_cost = false
//   terminated      torso below 1 m or above 2 m
//   reset           upright at rest; every position and velocity + U(-0.01, 0.01), the quaternion
//                   brought back to length 1
//
// x' follows the state. The reference reads the bodies' places from the integrator's last stage, a
// guess of the state: up to 0.04 mm away, 0.003 of a step's reward, over 1426 random steps. That
// moves reward between neighboring steps and cancels over an episode. The forces are those of the
// last stage, as in Gymnasium; MuJoCo 1.50 left those of the last substep's start.
//
// The solver stops after 50 iterations, before it has converged, so its start shows: libraries
// older than 3.3 begin each Runge-Kutta stage elsewhere and differ by up to 5e-5 from Gymnasium
// under 3.3.7 over 60 episodes; under 2.3.7 it is 1e-10.
//
// MuJoCo up to 2.3.7 brings the start's quaternion back to length 1 by itself. Under 3.3.7 it stays
// as drawn, and Gymnasium's first observation shows it so.
#include "envs/tasks/humanoid.h"

#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

// mirrored in the plane y = 0
Capsule mirrored(const Capsule& c) {
  return {{c.from[0], -c.from[1], c.from[2]}, {c.to[0], -c.to[1], c.to[2]}, c.radius};
}

std::string mjcf(bool old_masses) {
  const auto geoms = [&](const std::vector<Capsule>& body) {
    std::string text;
    for (const Capsule& c : body) text += "<geom " + shape(c) + "/>";
    return text + (old_masses ? old_inertial(body, 1000.0) : "");
  };
  // parts of the right side; those of the left are mirrored
  const std::vector<Capsule> thigh{{{0, 0, 0}, {0, 0.01, -0.34}, 0.06}};
  const std::vector<Capsule> shin{{{0, 0, 0}, {0, 0, -0.3}, 0.049}};
  const std::vector<Capsule> foot{{{0, 0, 0.1}, {0, 0, 0.1}, 0.075}};
  const std::vector<Capsule> upper_arm{{{0, 0, 0}, {0.16, -0.16, -0.16}, 0.04}};
  const std::vector<Capsule> lower_arm{{{0.01, 0.01, 0.01}, {0.17, 0.17, 0.17}, 0.031},
                                       {{0.18, 0.18, 0.18}, {0.18, 0.18, 0.18}, 0.04}};
  const auto left = [&](std::vector<Capsule> body) {
    for (Capsule& c : body) c = mirrored(c);
    return geoms(body);
  };
  return R"(<mujoco model="humanoid">
  <compiler angle="degree"/>
  <option timestep="0.003" integrator="RK4" solver="PGS" iterations="50"/>
  <default>
    <joint type="hinge" armature="1" damping="1" limited="true"/>
    <geom condim="1" contype="1" conaffinity="1" margin="0.001"/>
    <motor ctrllimited="true" ctrlrange="-0.4 0.4"/>
    <default class="trunk"><joint armature="0.02" damping="5"/></default>
    <default class="hip"><joint armature="0.01" damping="5" stiffness="10"/></default>
    <default class="knee"><joint armature="0.006" axis="0 -1 0" pos="0 0 0.02" range="-160 -2"/></default>
    <default class="shoulder"><joint stiffness="1"/></default>
    <default class="elbow"><joint armature="0.0028" range="-90 50"/></default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 0.125" condim="3" friction="1 0.1 0.1"/>
    <body name="torso" pos="0 0 1.4">
      <joint name="root" type="free" armature="0" damping="0" limited="false"/>
      )" +
         geoms({{{0, -0.07, 0}, {0, 0.07, 0}, 0.07},
                {{0, 0, 0.19}, {0, 0, 0.19}, 0.09},
                {{-0.01, -0.06, -0.12}, {-0.01, 0.06, -0.12}, 0.06}}) +
         R"(
      <body name="lwaist" pos="-0.01 0 -0.26" quat="1 0 -0.002 0">
        <joint name="abdomen_z" class="trunk" axis="0 0 1" pos="0 0 0.065" range="-45 45" stiffness="20"/>
        <joint name="abdomen_y" class="trunk" axis="0 1 0" pos="0 0 0.065" range="-75 30" stiffness="10"/>
        )" +
         geoms({{{0, -0.06, 0}, {0, 0.06, 0}, 0.06}}) + R"(
        <body name="pelvis" pos="0 0 -0.165" quat="1 0 -0.002 0">
          <joint name="abdomen_x" class="trunk" axis="1 0 0" pos="0 0 0.1" range="-35 35" stiffness="10"/>
          )" +
         geoms({{{-0.02, -0.07, 0}, {-0.02, 0.07, 0}, 0.09}}) + R"(
          <body name="right_thigh" pos="0 -0.1 -0.04">
            <joint name="right_hip_x" class="hip" axis="1 0 0" range="-25 5"/>
            <joint name="right_hip_z" class="hip" axis="0 0 1" range="-60 35"/>
            <joint name="right_hip_y" class="hip" axis="0 1 0" range="-110 20" stiffness="20" armature="0.008"/>
            )" +
         geoms(thigh) + R"(
            <body name="right_shin" pos="0 0.01 -0.403">
              <joint name="right_knee" class="knee"/>
              )" +
         geoms(shin) + R"(
              <body name="right_foot" pos="0 0 -0.45">)" +
         geoms(foot) + R"(</body>
            </body>
          </body>
          <body name="left_thigh" pos="0 0.1 -0.04">
            <joint name="left_hip_x" class="hip" axis="-1 0 0" range="-25 5"/>
            <joint name="left_hip_z" class="hip" axis="0 0 -1" range="-60 35"/>
            <joint name="left_hip_y" class="hip" axis="0 1 0" range=")" +
         (old_masses ? "-120 20" : "-110 20") + R"(" stiffness="20"/>
            )" +
         left(thigh) + R"(
            <body name="left_shin" pos="0 -0.01 -0.403">
              <joint name="left_knee" class="knee" stiffness="1"/>
              )" +
         left(shin) + R"(
              <body name="left_foot" pos="0 0 -0.45">)" +
         left(foot) + R"(</body>
            </body>
          </body>
        </body>
      </body>
      <body name="right_upper_arm" pos="0 -0.17 0.06">
        <joint name="right_shoulder1" class="shoulder" axis="2 1 1" range="-85 60" armature="0.0068"/>
        <joint name="right_shoulder2" class="shoulder" axis="0 -1 1" range="-85 60" armature="0.0051"/>
        )" +
         geoms(upper_arm) + R"(
        <body name="right_lower_arm" pos="0.18 -0.18 -0.18">
          <joint name="right_elbow" class="elbow" axis="0 -1 1"/>
          )" +
         geoms(lower_arm) + R"(
        </body>
      </body>
      <body name="left_upper_arm" pos="0 0.17 0.06">
        <joint name="left_shoulder1" class="shoulder" axis="2 -1 1" range="-60 85" armature="0.0068"/>
        <joint name="left_shoulder2" class="shoulder" axis="0 1 1" range="-60 85" armature="0.0051"/>
        )" +
         left(upper_arm) + R"(
        <body name="left_lower_arm" pos="0.18 0.18 -0.18">
          <joint name="left_elbow" class="elbow" axis="0 -1 -1"/>
          )" +
         left(lower_arm) + R"(
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="abdomen_y" gear="100"/>
    <motor joint="abdomen_z" gear="100"/>
    <motor joint="abdomen_x" gear="100"/>
    <motor joint="right_hip_x" gear="100"/>
    <motor joint="right_hip_z" gear="100"/>
    <motor joint="right_hip_y" gear="300"/>
    <motor joint="right_knee" gear="200"/>
    <motor joint="left_hip_x" gear="100"/>
    <motor joint="left_hip_z" gear="100"/>
    <motor joint="left_hip_y" gear="300"/>
    <motor joint="left_knee" gear="200"/>
    <motor joint="right_shoulder1" gear="25"/>
    <motor joint="right_shoulder2" gear="25"/>
    <motor joint="right_elbow" gear="25"/>
    <motor joint="left_shoulder1" gear="25"/>
    <motor joint="left_shoulder2" gear="25"/>
    <motor joint="left_elbow" gear="25"/>
  </actuator>
</mujoco>)";
}

double center_of_mass(const mjModel& model, mjData& d) {
  mj_kinematics(&model, &d);
  double sum = 0.0, mass = 0.0;
  for (int body = 1; body < model.nbody; ++body) {
    sum += model.body_mass[body] * d.xipos[3 * body];
    mass += model.body_mass[body];
  }
  return sum / mass;
}

StepResult outcome(const MujocoStep& s, bool contact_cost) {
  const mjData& d = s.data;
  double contact = 0.0;
  if (contact_cost)
    for (int i = 0; i < 6 * s.model.nbody; ++i) contact += d.cfrc_ext[i] * d.cfrc_ext[i];
  return {.reward = static_cast<float>(humanoid_reward(s.dx, s.dt, s.squared_control, contact)),
          .terminated = humanoid_terminated(d.qpos[2])};
}

}  // namespace

std::unique_ptr<Env> make_humanoid(const EnvOptions& options) {
  return std::make_unique<MujocoEnv>(MujocoRobot{
      .spec = {.name = "humanoid",
               .task = TaskId::kHumanoid,
               .observation_size = 45,
               .action_size = 17,
               .max_episode_steps = 1000,
               .dt = 0.015,
               .description = "two legs and arms, walk forward (HumanoidTruncatedObs-v2 of MBPO)",
               .reads = {"env.capsule_masses", "env.contact_cost"}},
      .model = compile_model(mjcf(options.capsule_masses == "old")),
      .frame_skip = 5,
      .outcome = [paid = options.contact_cost](const MujocoStep& s) { return outcome(s, paid); },
      .contact_forces = options.contact_cost,
      .reset_noise = 0.01,
      .skip_positions = 2,
      .forward_position = center_of_mass,
  });
}

}  // namespace mbrl

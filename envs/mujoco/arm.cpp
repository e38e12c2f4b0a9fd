#include "envs/mujoco/arm.h"

namespace mbrl {
namespace {

constexpr const char* kJoints[7] = {"shoulder_pan", "shoulder_lift", "upper_arm_roll", "elbow_flex",
                                    "forearm_roll", "wrist_flex",    "wrist_roll"};

}  // namespace

std::string arm_geoms(const Arm& arm, const std::vector<Capsule>& capsules,
                      const std::string& attributes) {
  std::string text;
  for (const Capsule& c : capsules) text += "<geom " + shape(c) + attributes + "/>";
  return text + (arm.old_masses ? old_inertial(capsules, arm.density) : "");
}

std::string arm_body(const Arm& arm) {
  const auto joint = [&](int i, const char* axis) {
    return "<joint name=\"" + std::string(kJoints[i]) + "\" type=\"hinge\" axis=\"" + axis + "\" " +
           arm.joint[i] + "/>";
  };
  const auto geoms = [&](const std::vector<Capsule>& capsules) { return arm_geoms(arm, capsules); };
  // two eyes with pupils sit on the shoulder
  const auto ball = [](double x, double y, double radius) {
    return Capsule{{x, y, 0.2}, {x, y, 0.2}, radius};
  };
  return R"(
    <body name="shoulder_pan" pos=")" +
         std::string(arm.shoulder) + "\">" + joint(0, "0 0 1") +
         geoms({ball(-0.06, 0.05, 0.05),
                ball(0.06, 0.05, 0.05),
                ball(-0.06, 0.09, 0.03),
                ball(0.06, 0.09, 0.03),
                {{0, 0, -0.4}, {0, 0, 0.2}, 0.1}}) +
         R"(
      <body name="shoulder_lift" pos="0.1 0 0">)" +
         joint(1, "0 1 0") + geoms({{{0, -0.1, 0}, {0, 0.1, 0}, 0.1}}) + R"(
        <body name="upper_arm_roll">)" +
         joint(2, "1 0 0") + geoms({{{-0.1, 0, 0}, {0.1, 0, 0}, 0.02}}) + R"(
          <body name="upper_arm">)" +
         geoms({{{0, 0, 0}, {0.4, 0, 0}, 0.06}}) + R"(
            <body name="elbow_flex" pos="0.4 0 0">)" +
         joint(3, "0 1 0") + geoms({{{0, -0.02, 0}, {0, 0.02, 0}, 0.06}}) + R"(
              <body name="forearm_roll">)" +
         joint(4, "1 0 0") + geoms({{{-0.1, 0, 0}, {0.1, 0, 0}, 0.02}}) + R"(
                <body name="forearm">)" +
         geoms({{{0, 0, 0}, {arm.forearm_length, 0, 0}, 0.05}}) + R"(
                  <body name="wrist_flex" pos="0.321 0 0">)" +
         joint(5, "0 1 0") + geoms({{{0, -0.02, 0}, {0, 0.02, 0}, 0.01}}) + R"(
                    <body name="wrist_roll">)" +
         joint(6, "1 0 0") + arm.wrist_geoms + R"(
                    </body>
                  </body>
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>)";
}

std::string arm_motors(const char* limit) {
  std::string text = "<actuator>";
  for (const char* name : kJoints)
    text += "<motor joint=\"" + std::string(name) + "\" ctrllimited=\"true\" ctrlrange=\"-" +
            limit + " " + limit + "\"/>";
  return text + "</actuator>";
}

}  // namespace mbrl

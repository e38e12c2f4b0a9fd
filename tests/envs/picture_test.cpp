// Tests for envs/picture.h: what is drawn stands where the environment does.
#include "envs/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "envs/bullet/bullet_env.h"

namespace mbrl {
namespace {

struct Posed {
  explicit Posed(const Env& env)
      : picture(picture_of(env)), data(mj_makeData(picture.model.get())) {
    picture.pose(env, *data);
  }
  ~Posed() { mj_deleteData(data); }
  Posed(const Posed&) = delete;
  Posed& operator=(const Posed&) = delete;
  const mjModel& model() const { return *picture.model; }

  Picture picture;
  mjData* data;
};

std::unique_ptr<Env> make(const std::string& name) {
  EnvOptions options;
  options.name = name;
  return make_env(options);
}

struct Walk {
  explicit Walk(const std::string& name)
      : env(make(name)),
        observation(static_cast<std::size_t>(env->spec().observation_size)),
        action(static_cast<std::size_t>(env->spec().action_size)) {
    env->reset(3, 0, observation);
  }
  void step(int t) {
    for (std::size_t i = 0; i < action.size(); ++i)
      action[i] = static_cast<float>(std::sin(0.7 * t + 2.0 * static_cast<double>(i)));
    env->step(action, observation);
  }
  std::unique_ptr<Env> env;
  std::vector<float> observation, action;
};

TEST(PictureTest, AMujocoRobotIsItsOwnModel) {
  Walk walk("hopper");
  for (int t = 0; t < 5; ++t) walk.step(t);
  const Posed posed(*walk.env);
  EXPECT_EQ(posed.picture.tracked, 1);
  // positions but the first are observed
  for (int i = 0; i < 5; ++i)
    EXPECT_FLOAT_EQ(static_cast<float>(posed.data->qpos[i + 1]),
                    walk.observation[static_cast<std::size_t>(i)]);
  std::vector<double> state(static_cast<std::size_t>(walk.env->state_size()));
  walk.env->get_state(state);
  EXPECT_EQ(posed.data->qpos[0], state[0]);
  // what follows from the positions is up to date
  EXPECT_NEAR(posed.data->xpos[3], state[0], 1e-12);
}

TEST(PictureTest, TheCameraFollowsWhatMayTravel) {
  for (const char* name :
       {"hopper", "halfcheetah", "ant", "humanoid", "swimmer", "walker2d_bullet"})
    EXPECT_EQ(picture_of(*make(name)).tracked, 1) << name;
  for (const char* name : {"pendulum", "cartpole", "reacher", "pusher", "inverted_pendulum"})
    EXPECT_EQ(picture_of(*make(name)).tracked, -1) << name;
}

// A foot that touches the ground has its lowest point on it: bodies, hinges and capsules of the scene stand as
// Bullet's do.
TEST(PictureTest, FeetOfBulletRobotsStandOnTheGround) {
  for (const std::string name : {"hopper_bullet", "walker2d_bullet", "halfcheetah_bullet"}) {
    Walk walk(name);
    const BulletRobot& robot = dynamic_cast<const BulletEnv&>(*walk.env).robot();
    const auto num_joints = robot.bodies.size() - 1;
    Posed posed(*walk.env);
    ASSERT_EQ(posed.model().nbody, static_cast<int>(robot.bodies.size()) + 1);
    int num_touches = 0, num_free = 0;
    for (int t = 0; t < 60; ++t) {
      walk.step(t);
      posed.picture.pose(*walk.env, *posed.data);
      for (std::size_t k = 0; k < robot.feet.size(); ++k) {
        const int body = robot.feet[k] + 1;
        double lowest = std::numeric_limits<double>::infinity();
        for (int geom = 0; geom < posed.model().ngeom; ++geom) {
          if (posed.model().geom_bodyid[geom] != body) continue;
          const double* size = posed.model().geom_size + 3 * geom;
          const double reach = std::abs(posed.data->geom_xmat[9 * geom + 8]) * size[1] + size[0];
          lowest = std::min(lowest, posed.data->geom_xpos[3 * geom + 2] - reach);
        }
        const bool touches = walk.observation[8 + 2 * num_joints + k] == 1.0f;
        num_touches += touches;
        num_free += !touches;
        // contacts are those of the previous step, 16.5 ms ago
        if (touches) {
          EXPECT_NEAR(lowest, 0.0, 0.06) << name << ", foot " << k << ", step " << t;
        }
        EXPECT_GT(lowest, -0.06) << name << ", foot " << k << ", step " << t;
      }
    }
    EXPECT_GT(num_touches, 5) << name;
    EXPECT_GT(num_free, 5) << name;
  }
}

TEST(PictureTest, ClosedFormsShowTheirAngles) {
  const auto pendulum = make("pendulum");
  pendulum->set_state(std::vector<double>{0.5, 1.0});
  {
    const Posed posed(*pendulum);
    // the middle of the rod, from upright towards +x
    const int rod = posed.model().ngeom - 1;
    EXPECT_NEAR(posed.data->geom_xpos[3 * rod], 0.5 * std::sin(0.5), 1e-9);
    EXPECT_NEAR(posed.data->geom_xpos[3 * rod + 2], 0.5 * std::cos(0.5), 1e-9);
  }
  const auto cartpole = make("cartpole");
  cartpole->set_state(std::vector<double>{-1.5, 0.0, 0.25, 0.0});
  const Posed posed(*cartpole);
  EXPECT_NEAR(posed.data->xpos[3], -1.5, 1e-9) << "the cart";
  const int pole = posed.model().ngeom - 1;
  EXPECT_NEAR(posed.data->geom_xpos[3 * pole], -1.5 + 0.5 * std::sin(0.25), 1e-9);
  EXPECT_NEAR(posed.data->geom_xpos[3 * pole + 2], 0.5 * std::cos(0.25), 1e-9);
}

TEST(PictureTest, AnEnvironmentWithoutLooksIsRefused) {
  class Bare : public Env {
   public:
    const EnvSpec& spec() const override {
      static const EnvSpec kSpec{.name = "bare",
                                 .observation_size = 1,
                                 .action_size = 1,
                                 .max_episode_steps = 1,
                                 .dt = 1.0,
                                 .description = "no more than its sizes"};
      return kSpec;
    }
    void reset(std::uint32_t, std::uint64_t, std::span<float>) override {}
    int state_size() const override { return 0; }
    void get_state(std::span<double>) const override {}
    void set_state(std::span<const double>) override {}

   private:
    StepResult do_step(std::span<const float>, std::span<float>) override { return {}; }
  };
  EXPECT_THAT([] { picture_of(Bare()); },
              testing::ThrowsMessage<ConfigError>(
                  testing::HasSubstr("env.name is bare: nothing here knows how it looks")));
}

}  // namespace
}  // namespace mbrl

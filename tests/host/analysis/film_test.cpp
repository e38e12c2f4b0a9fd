// Tests for host/analysis/film.h and camera.h. What draws is skipped aloud where OpenGL is not to be had.
#include "host/analysis/film.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "envs/picture.h"
#include "host/algo/registry.h"
#include "host/algo/resolve_config.h"
#include "host/analysis/camera.h"
#include "host/analysis/episodes.h"

namespace mbrl {
namespace {

using Pixels = std::vector<std::uint8_t>;

// why nothing can be drawn here; "" if it can
std::string obstacle() {
  try {
    Offscreen::open();
    return "";
  } catch (const DeviceError& error) {
    return error.what();
  }
}

#define REQUIRE_OPENGL() \
  if (const std::string why = obstacle(); !why.empty()) GTEST_SKIP() << why

TEST(FilmTest, AFilmHasSixtyPicturesASecondAtMost) {
  for (const auto& [dt, steps] :
       {std::pair(0.05, 1), {1.0 / 60, 1}, {0.0165, 2}, {0.008, 3}, {0.002, 9}, {1.0, 1}}) {
    const FilmRate rate = film_rate(dt);
    EXPECT_EQ(rate.steps_per_picture, steps) << dt;
    EXPECT_DOUBLE_EQ(rate.frames_per_second, 1.0 / (dt * steps)) << dt;
  }
}

std::unique_ptr<Env> started(const std::string& name) {
  EnvOptions options;
  options.name = name;
  auto env = make_env(options);
  std::vector<float> observation(static_cast<std::size_t>(env->spec().observation_size));
  env->reset(0, 0, observation);
  return env;
}

struct Seen {
  double sky = 0.0, orange_or_red = 0.0;  // shares of the pixels
};
Seen look(const Pixels& pixels) {
  Seen seen;
  const auto share = 3.0 / static_cast<double>(pixels.size());
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    const int red = pixels[i], blue = pixels[i + 2];
    if (blue >= 225 && red >= 150) seen.sky += share;
    if (red > blue + 30) seen.orange_or_red += share;
  }
  return seen;
}

TEST(CameraTest, SeesTheRobotBetweenFloorAndSky) {
  REQUIRE_OPENGL();
  constexpr int kWidth = 160, kHeight = 120;
  for (const char* name : {"hopper", "halfcheetah", "walker2d_bullet", "pendulum"}) {
    const auto env = started(name);
    const Picture picture = picture_of(*env);
    Camera camera(picture, kWidth, kHeight);
    const Pixels first = camera.draw(*env);
    ASSERT_EQ(first.size(), std::size_t{3 * kWidth * kHeight});
    const Seen seen = look(first);
    EXPECT_GT(seen.sky, 0.1) << name;
    EXPECT_LT(seen.sky, 0.8) << name;
    EXPECT_GT(seen.orange_or_red, 0.003) << name;
    EXPECT_LT(seen.orange_or_red, 0.3) << name;
    // the sky is above
    EXPECT_GT(look({first.begin(), first.begin() + 3 * kWidth}).sky, 0.9) << name;
    EXPECT_LT(look({first.end() - 3 * kWidth, first.end()}).sky, 0.1) << name;
    EXPECT_EQ(camera.draw(*env), first) << "the same state";
    std::vector<float> action(static_cast<std::size_t>(env->spec().action_size), 1.0f),
        observation(static_cast<std::size_t>(env->spec().observation_size));
    for (int t = 0; t < 5; ++t) env->step(action, observation);
    EXPECT_NE(camera.draw(*env), first) << name;
  }
}

TEST(CameraTest, FollowsARobotThatTravels) {
  REQUIRE_OPENGL();
  const auto env = started("halfcheetah");
  const Picture picture = picture_of(*env);
  Camera camera(picture, 160, 120);
  const double before = look(camera.draw(*env)).orange_or_red;
  std::vector<double> state(static_cast<std::size_t>(env->state_size()));
  env->get_state(state);
  state[0] += 15.0;  // m along x
  env->set_state(state);
  EXPECT_NEAR(look(camera.draw(*env)).orange_or_red, before, 0.3 * before);
}

class Counter : public FilmWriter {
 public:
  struct Told {
    int pictures = 0;
    bool closed = false;
  };
  explicit Counter(Told& told) : told_(told) {}
  void add(std::span<const std::uint8_t> pixels) override {
    EXPECT_EQ(pixels.size(), 3u * 32 * 16);
    EXPECT_FALSE(told_.closed);
    ++told_.pictures;
  }
  void close() override { told_.closed = true; }

 private:
  Told& told_;
};

TEST(FilmTest, ShowsTheEpisodesThatArePredictedAlong) {
  REQUIRE_OPENGL();
  ThreadPool pool(1);
  Stream stream{pool};
  const Config config = resolve_config(
      "sac_hopper", {"sac.hidden_sizes=[8,8]", "loop.replay_capacity=1000", "seed=3"});
  const auto learner = make_learner(config, stream, {});
  Counter::Told told;
  double rate = 0.0;
  const Film film = film_episodes(stream, *learner, {.num_episodes = 2, .width = 32, .height = 16},
                                  [&](double of) {
                                    rate = of;
                                    return std::make_unique<Counter>(told);
                                  });
  EXPECT_TRUE(told.closed);
  EXPECT_EQ(told.pictures, film.num_pictures);
  EXPECT_NEAR(rate, 1.0 / 0.024, 1e-6) << "every third step of 8 ms";
  EXPECT_EQ(film.frames_per_second, rate);
  // the same episodes as those that are saved
  const Episodes episodes = record_episodes(stream, *learner, 2);
  EXPECT_EQ(film.lengths, episodes.lengths);
  EXPECT_EQ(film.returns, episodes.returns);
  int expected = 0;
  for (const int length : film.lengths)
    expected += 1 + (length + 2) / 3;  // start, every third, end
  EXPECT_EQ(film.num_pictures, expected);
}

}  // namespace
}  // namespace mbrl

// Tests for host/algo/mbpo_newest.cpp: where its rollouts start, and one run to the last bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "host/algo/registry.h"
#include "host/io/archive.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

Config small_config(const std::string& algorithm) {
  Config c = small_mbpo("inverted_pendulum");
  c.algorithm = algorithm;
  c.rollout.schedule = {0, 0, 1, 1};
  c.loop.pool_insertion = "step";
  return c;
}

struct Session {
  ThreadPool pool{2};
  Stream stream{pool};
  std::unique_ptr<Learner> learner;

  explicit Session(const Config& config) : learner(make_learner(config, stream, {})) {}

  struct Rows {
    std::vector<std::vector<float>> observations;  // oldest first
  };
  Rows rows(const char* tensor, const char* section) {
    StateWriter saved;
    learner->visit(saved);
    const std::size_t head = saved.state.at(section).at("head");
    for (const TensorRef& t : saved.replay_tensors) {
      if (t.name != tensor) continue;
      const auto size = static_cast<std::size_t>(t.shape[0]);
      const auto pitch = static_cast<std::size_t>(t.shape[1]);
      const bool wrapped = size == saved.state.at(section).at("capacity").get<std::size_t>();
      Rows found;
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t row = wrapped ? (head + i) % size : i;
        const float* record = static_cast<const float*>(t.data) + row * pitch;
        found.observations.emplace_back(record, record + learner->env_spec().observation_size);
      }
      return found;
    }
    return {};
  }
};

// the oldest of the real rows that imagined ones start from, counted from the newest
std::size_t oldest_start(const std::string& algorithm, int replay_capacity, int train_steps) {
  Config config = small_config(algorithm);
  config.loop.replay_capacity = replay_capacity;
  Session session(config);
  Learner& learner = *session.learner;
  // a fit and its rollouts come at the beginning of a step, which then adds one real row
  while (learner.train_steps() < train_steps + 1) learner.step();
  const auto real = session.rows("real", "real_replay").observations;
  auto starts = session.rows("imagined", "model_replay").observations;
  starts.erase(starts.begin(), starts.end() - config.rollout.batch_size);
  std::size_t oldest = 0;
  for (const auto& start : starts) {
    const auto at = std::find(real.begin(), real.end(), start);
    EXPECT_NE(at, real.end()) << "rollouts of one step start from real states";
    oldest = std::max(oldest, static_cast<std::size_t>(real.end() - at) - 1);
  }
  return oldest;
}

TEST(MbpoNewestTest, RolloutsStartFromTheRealStatesOfTheLastEpoch) {
  // 100 draws of 20 rows
  EXPECT_LE(oldest_start("mbpo_newest", 1000, 40), 20u);
  EXPECT_GE(oldest_start("mbpo_newest", 1000, 40), 18u);
  EXPECT_GT(oldest_start("mbpo", 1000, 40), 60u);
}

TEST(MbpoNewestTest, AlsoWhereTheRingHasWrapped) {
  // about 100 rows in a ring of 45: some of the newest 20 lie before its end, others at its start
  for (const int steps : {30, 40, 50, 60}) {
    EXPECT_LE(oldest_start("mbpo_newest", 45, steps), 20u) << steps;
    EXPECT_GE(oldest_start("mbpo_newest", 45, steps), 17u) << steps;
  }
}

}  // namespace
}  // namespace mbrl

// Tests of results to the bit: each algorithm, with each loss where it has a model, trains as it did when its
// checksum was recorded. A change that is meant to change results renews the checksum here and the digests of
// tests/golden/digests.csv, and its commit says why.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "cuda/stream.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/io/archive.h"
#include "host/io/crc32c.h"
#include "kernels/formulas/losses/list.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

/// What 130 steps on the cart-pole lead to.
struct Trained {
  std::uint32_t checksum;    // of weights and moments
  std::vector<int> lengths;  // of two evaluations of six episodes
};

Trained train(const std::string& algorithm, const std::string& loss) {
  Config config = small_mbpo(env_for(algorithm, "cartpole"));
  config.algorithm = algorithm;
  config.model.loss = loss;
  config.ppo = small_ppo("").ppo;
  config.env.max_episode_steps = 30;
  ThreadPool pool(1);
  Stream stream(pool);
  const auto learner = make_learner(config, stream, {});
  while (learner->env_steps() < 130) learner->step();
  StateWriter saved;
  learner->visit(saved);
  std::string bytes;
  for (const TensorRef& t : saved.weight_tensors)
    bytes.append(static_cast<const char*>(t.data), num_bytes(t));
  std::vector<int> lengths = learner->evaluate(6).lengths;
  for (const int length : learner->evaluate(6).lengths) lengths.push_back(length);
  return {crc32c(bytes), lengths};
}

const std::map<std::string, Trained> kGolden{
    {"mbpo gaussian_nll", {2401919623u, {30, 30, 29, 30, 30, 30, 30, 30, 30, 30, 30, 30}}},
    {"mbpo mse", {564427129u, {28, 27, 30, 24, 30, 21, 25, 29, 29, 27, 23, 30}}},
    {"mbpo_newest gaussian_nll", {3190528134u, {30, 30, 29, 30, 30, 26, 30, 30, 30, 30, 30, 30}}},
    {"mbpo_newest mse", {3755922009u, {30, 30, 30, 28, 30, 24, 28, 30, 30, 30, 29, 30}}},
    {"pets gaussian_nll", {2493633268u, {30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30}}},
    {"pets mse", {344709430u, {30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30}}},
    {"ppo", {272214781u, {30, 30, 30, 30, 30, 29, 30, 30, 30, 30, 30, 30}}},
    {"sac", {3946512764u, {28, 27, 30, 23, 29, 20, 23, 28, 29, 27, 23, 30}}},
};

TEST(GoldenTest, EveryAlgorithmTrainsAsItDidWhenItsChecksumWasRecorded) {
  for (const Algorithm& algorithm : list_algorithms()) {
    if (algorithm.make == nullptr) continue;  // trains many learners: autombpo_test.cpp
    for (const std::string& loss : ensemble_loss_names()) {
      const std::string name = algorithm.name + (algorithm.needs_model ? " " + loss : "");
      const auto golden = kGolden.find(name);
      const Trained found = train(algorithm.name, loss);
      ASSERT_NE(golden, kGolden.end())
          << name << " has no checksum here; it is now " << found.checksum << "u.";
      EXPECT_EQ(found.checksum, golden->second.checksum) << name;
      // by its mean action, from start states of evaluations
      EXPECT_EQ(found.lengths, golden->second.lengths) << name;
      if (!algorithm.needs_model) break;
    }
  }
}

}  // namespace
}  // namespace mbrl

// Tests of results to the bit: each algorithm, with each loss where it has a model, trains as it did when its
// checksum was recorded. A change that is meant to change results renews the checksum here and the digests of
// tests/golden/digests.csv, and its commit says why.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "cuda/stream.h"
#include "host/algo/learner.h"
#include "host/algo/registry.h"
#include "host/io/archive.h"
#include "host/io/crc32c.h"
#include "kernels/formulas/losses/list.h"
#include "tests/support/configs.h"

namespace mbrl {
namespace {

// weights and moments after 130 steps on the cart-pole
std::uint32_t checksum(const std::string& algorithm, const std::string& loss) {
  Config config = small_mbpo("cartpole");
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
  return crc32c(bytes);
}

const std::map<std::string, std::uint32_t> kGolden{
    {"mbpo gaussian_nll", 2401919623u},
    {"mbpo mse", 564427129u},
    {"mbpo_newest gaussian_nll", 3190528134u},
    {"mbpo_newest mse", 3755922009u},
    {"ppo", 272214781u},
    {"sac", 3946512764u},
};

TEST(GoldenTest, EveryAlgorithmTrainsAsItDidWhenItsChecksumWasRecorded) {
  for (const Algorithm& algorithm : list_algorithms()) {
    if (algorithm.make == nullptr) continue;  // trains many learners, which are among the others
    for (const std::string& loss : ensemble_loss_names()) {
      const std::string name = algorithm.name + (algorithm.needs_model ? " " + loss : "");
      const auto golden = kGolden.find(name);
      const std::uint32_t found = checksum(algorithm.name, loss);
      ASSERT_NE(golden, kGolden.end())
          << name << " has no checksum here; it is now " << found << "u.";
      EXPECT_EQ(found, golden->second) << name;
      if (!algorithm.needs_model) break;
    }
  }
}

}  // namespace
}  // namespace mbrl

// Robots of others: files that tests/tools/robots_test.py has found in packages. MBRL_ROBOTS names a file that
// lists their paths, one a line.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "envs/mujoco/mujoco_env.h"

namespace mbrl {
namespace {

TEST(RobotsTest, LoadAndStepFiftyTimes) {
  const char* list = std::getenv("MBRL_ROBOTS");
  if (list == nullptr) GTEST_SKIP() << "MBRL_ROBOTS is not set; robots_test.py sets it";
  std::ifstream paths(list);
  int count = 0;
  for (std::string path; std::getline(paths, path); ++count) {
    try {
      const std::shared_ptr<const mjModel> model = load_model(path);
      const std::unique_ptr<mjData, void (*)(mjData*)> data(mj_makeData(model.get()),
                                                            mj_deleteData);
      for (int step = 0; step < 50; ++step) mj_step(model.get(), data.get());
      bool is_finite = true;
      for (int i = 0; i < model->nq; ++i) is_finite = is_finite && std::isfinite(data->qpos[i]);
      EXPECT_TRUE(is_finite) << path;
      // a simulation that explodes starts over, at 0
      EXPECT_NEAR(data->time, 50 * model->opt.timestep, 1e-9) << path;
    } catch (const Error& error) {
      ADD_FAILURE() << path << ": " << error.what();
    }
  }
  EXPECT_GT(count, 0) << list;
}

}  // namespace
}  // namespace mbrl

// Tests for envs/list.h and what follows from it: the registry, the specs, the end rule of imagined
// rollouts, the table in envs/README.md; and that tests/envs knows every environment.
#include "envs/list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/rng.h"
#include "envs/tasks/task.h"
#include "tests/envs/environments.h"
#include "tests/support/matchers.h"

namespace mbrl {
namespace {

EnvOptions options(const std::string& name) {
  EnvOptions o;
  o.name = name;
  return o;
}

TEST(ListTest, IsSortedAndNamesTheEnvironmentsThatExist) {
  std::vector<std::string> names;
#define MBRL_NAME(name, Task) names.emplace_back(#name);
  MBRL_ENVIRONMENTS(MBRL_NAME)
#undef MBRL_NAME
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  const std::vector<EnvSpec> specs = list_envs();
  ASSERT_EQ(specs.size(), names.size());
  for (std::size_t i = 0; i < specs.size(); ++i) EXPECT_EQ(specs[i].name, names[i]);
  EXPECT_EQ(every_environment(), names);
}

TEST(ListTest, TheTestsKnowEveryEnvironment) {
  for (const EnvSpec& spec : list_envs()) {
    const KnownEnvironment* known = find_known(spec.name);
    if (known == nullptr) {
      ADD_FAILURE() << spec.name << " has no line in tests/envs/environments.h, so its start "
                    << "states, its random policy and its recorded episodes are not tested";
      continue;
    }
    const std::string prefix = known->simulator == Simulator::kMujoco   ? "MuJoCo"
                               : known->simulator == Simulator::kBullet ? "Bullet"
                                                                        : "closed form";
    EXPECT_THAT(spec.simulator, testing::StartsWith(prefix)) << spec.name;
    const std::string recorded = known->recorded;
    EXPECT_EQ(recorded.empty(), known->simulator == Simulator::kClosedForm)
        << spec.name << " follows an original, of which no episode is recorded";
    const std::string path = MBRL_SOURCE_DIR "/tests/golden/" + recorded + "_" + spec.name + ".csv";
    EXPECT_TRUE(recorded.empty() || std::filesystem::exists(path))
        << spec.name << " has no golden file " << path;
  }
  for (const KnownEnvironment& known : known_environments())
    EXPECT_THAT(env_names(), testing::Contains(known.name)) << "tests/envs/environments.h";
}

class ListedTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Environments, ListedTest, testing::ValuesIn(every_environment()));

TEST_P(ListedTest, TheSpecIsThatOfTheName) {
  const auto env = make_env(options(GetParam()));
  const EnvSpec& spec = env->spec();
  EXPECT_EQ(spec.name, GetParam());
  TaskId task = TaskId::kMjcf;
#define MBRL_TASK(name, Task) \
  if (GetParam() == #name) task = TaskId::k##Task;
  MBRL_ENVIRONMENTS(MBRL_TASK)
#undef MBRL_TASK
  EXPECT_EQ(spec.task, task);
  EXPECT_GT(spec.max_episode_steps, 0);
  EXPECT_GT(spec.dt, 0.0);
  EXPECT_FALSE(spec.simulator.empty());
  EXPECT_FALSE(spec.description.empty());
  std::vector<float> o(static_cast<std::size_t>(spec.observation_size), std::nanf(""));
  env->reset(1, 0, o);
  for (const float x : o) EXPECT_TRUE(std::isfinite(x));
}

TEST_P(ListedTest, ImaginedStepsEndWhereRealOnesDo) {
  const auto env = make_env(options(GetParam()));
  const EnvSpec& spec = env->spec();
  std::vector<float> o(static_cast<std::size_t>(spec.observation_size)),
      action(static_cast<std::size_t>(spec.action_size));
  std::uint64_t episode = 0;
  env->reset(1, episode++, o);
  EXPECT_FALSE(task_terminated(spec.task, o.data()));
  const auto steps = static_cast<std::uint64_t>(steps_to_walk(GetParam(), 400));
  for (std::uint64_t t = 0; t < steps; ++t) {
    for (std::size_t i = 0; i < action.size(); ++i)
      action[i] = 2.0f * uniform01(RandomKey{9}.bits(t, static_cast<std::uint32_t>(i)).x) - 1.0f;
    const StepResult result = env->step(action, o);
    ASSERT_FALSE(result.broken);
    ASSERT_EQ(task_terminated(spec.task, o.data()), result.terminated) << "step " << t;
    if (result.terminated) env->reset(1, episode++, o);
  }
}

TEST_P(ListedTest, AKeyIsReadOrRefused) {
  const auto plain = make_env(options(GetParam()));
  const std::vector<std::string>& reads = plain->spec().reads;
  const auto check = [&](const EnvOptions& changed, const std::string& key) {
    if (std::find(reads.begin(), reads.end(), key) != reads.end()) {
      EXPECT_NO_THROW(make_env(changed)) << key;
    } else {
      EXPECT_THAT(error_text<ConfigError>([&] { make_env(changed); }),
                  testing::StartsWith(key + " is set, but env.name is " + GetParam() + "; only "));
    }
  };
  EnvOptions masses = options(GetParam()), contacts = masses;
  masses.capsule_masses = "exact";
  contacts.contact_cost = false;
  EnvOptions places = options(GetParam());
  places.body_position = "center_of_mass";
  check(masses, "env.capsule_masses");
  check(places, "env.body_position");
  check(contacts, "env.contact_cost");
}

TEST(RegistryTest, ReadersOfAKeyAreNamed) {
  EnvOptions o = options("pendulum");
  o.contact_cost = false;
  EXPECT_EQ(
      error_text<ConfigError>([&] { make_env(o); }),
      "env.contact_cost is set, but env.name is pendulum; only env.name=ant or humanoid reads "
      "it.");
  o = options("hopper_bullet");
  o.capsule_masses = "exact";
  EXPECT_THAT(error_text<ConfigError>([&] { make_env(o); }),
              testing::MatchesRegex(
                  "env.capsule_masses is set, but env.name is hopper_bullet; only "
                  "env.name=ant, cartpole_swingup, halfcheetah, .* or walker2d reads it."));
}

TEST(RegistryTest, UnknownNameSuggestsTheNearest) {
  EXPECT_EQ(error_text<ConfigError>([] { make_env(options("hoper")); }),
            "env.name: there is no environment \"hoper\". Did you mean hopper? `mbrl_gpu envs` "
            "lists all.");
}

TEST(RegistryTest, NoNameIsSuggestedWhereNoneIsNear) {
  EXPECT_EQ(error_text<ConfigError>([] { make_env(options("chess")); }),
            "env.name: there is no environment \"chess\". `mbrl_gpu envs` lists all.");
}

TEST(RegistryTest, UnknownMassesNameTheTwoThatExist) {
  EnvOptions o = options("hopper");
  o.capsule_masses = "new";
  EXPECT_THAT(error_text<ConfigError>([&] { make_env(o); }),
              testing::HasSubstr("it may be old (MuJoCo 1.50, the papers' physics) or exact"));
}

TEST(RegistryTest, AStandInIsSaidToBeOne) {
  EXPECT_THAT(env_note(options("daisy")), testing::StartsWith("daisy is a stand-in"));
  for (const EnvSpec& spec : list_envs()) {
    const bool stands_in = spec.description.find("stand-in") != std::string::npos;
    EXPECT_EQ(env_note(options(spec.name)).empty(), !stands_in) << spec.name;
    EXPECT_EQ(stands_in, spec.name == "daisy");
  }
}

TEST(RegistryTest, UnknownBodyPositionsNameTheTwoThatExist) {
  EnvOptions o = options("pusher");
  o.body_position = "center";
  EXPECT_THAT(error_text<ConfigError>([&] { make_env(o); }),
              testing::HasSubstr("env.body_position is \"center\"; it may be origin"));
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" `"), last = text.find_last_not_of(" `");
  return first == std::string::npos ? "" : text.substr(first, last + 1 - first);
}

TEST(EnvsReadmeTest, TheTableHoldsEveryEnvironmentAndItsNumbers) {
  std::ifstream file(MBRL_SOURCE_DIR "/envs/README.md");
  ASSERT_TRUE(file.good());
  std::vector<std::string> found, expected;
  std::string line;
  while (std::getline(file, line) && !line.starts_with("| name | observation, action |")) {
  }
  std::getline(file, line);  // dashes
  while (std::getline(file, line) && line.starts_with("|")) {
    std::istringstream cells(line.substr(1));
    std::string name, sizes, limit;
    std::getline(cells, name, '|');
    std::getline(cells, sizes, '|');
    std::getline(cells, limit, '|');
    found.push_back(trimmed(name) + ": " + trimmed(sizes) + "; " + trimmed(limit));
  }
  for (const EnvSpec& spec : list_envs()) {
    std::ostringstream row;
    row << spec.name << ": " << spec.observation_size << ", " << spec.action_size << "; " << spec.dt
        << " s, " << spec.max_episode_steps;
    expected.push_back(row.str());
  }
  EXPECT_THAT(found, testing::ElementsAreArray(expected));
}

}  // namespace
}  // namespace mbrl

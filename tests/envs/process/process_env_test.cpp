// Tests for envs/process/: batches of environments that other processes serve, and what happens when
// these fail.
#include "envs/process/process_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/shell_word.h"
#include "base/thread_pool.h"
#include "envs/pool.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_directory.h"

namespace mbrl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

EnvOptions served(const std::string& command) {
  EnvOptions options;
  options.name = "process";
  options.command = command;
  return options;
}

EnvOptions faulty(const std::string& mode) {
  return served(shell_word(MBRL_FAULTY_SERVER) + " " + mode);
}

/// The same with a fault in the first of its processes alone.
EnvOptions faulty_once(const std::string& mode, int at, const TemporaryDirectory& folder) {
  return faulty(mode + " " + std::to_string(at) + " " +
                shell_word((folder.path() / mode).string()));
}

/// What the start of an environment says is wrong.
std::string start_text(const EnvOptions& options) {
  return error_text<Error>([&] { make_env(options); });
}

std::vector<float> rows(const EnvPool& envs) {
  const Matrix<const float> o = envs.observation();
  return {o.data, o.data + o.count()};
}

TEST(ProcessEnvTest, GreetingBecomesTheSpec) {
  const ProcessGreeting greeting = process_greeting(faulty("fine"));
  EXPECT_EQ(greeting.name, "faulty");
  EXPECT_THAT(greeting.entries, ElementsAre("seed", "steps"));
  EXPECT_THAT(greeting.low, ElementsAre(-3.0f));
  EXPECT_TRUE(greeting.serves_ends);
  const auto env = make_env(faulty("fine"));
  EXPECT_EQ(env->spec().observation_size, 2);
  EXPECT_EQ(env->spec().action_size, 1);
  EXPECT_EQ(env->spec().max_episode_steps, 1000);
  EXPECT_THAT(env_note(faulty("fine")),
              HasSubstr("cannot save its state, so a resumed run goes on at an episode's start"));
  EXPECT_THAT(env_note(faulty("no_limit")), HasSubstr("says of no time limit"));
}

TEST(ProcessEnvTest, ActionsReachBothBoundsExactly) {
  EXPECT_EQ(map_action(1.0f, -0.1f, 0.3f), 0.3f);
  EXPECT_EQ(map_action(-1.0f, -0.1f, 0.3f), -0.1f);
  EXPECT_EQ(map_action(7.0f, -0.1f, 0.3f), 0.3f) << "clipped";
  EXPECT_EQ(map_action(-7.0f, -0.1f, 0.3f), -0.1f);
  EXPECT_EQ(map_action(0.5f, -2.0f, 6.0f), 4.0f);
  for (const float a : {0.3f, -0.7f, 1e-20f}) EXPECT_EQ(map_action(a, -1.0f, 1.0f), a);
  const float most = std::numeric_limits<float>::max();
  EXPECT_EQ(map_action(0.0f, -most, most), 0.0f);

  auto env = make_env(faulty("fine"));
  std::vector<float> observation(2);
  env->reset(1, 0, observation);
  for (const auto& [action, expected] : {std::pair(-1.0f, -3.0f), std::pair(1.0f, 1.0f),
                                         std::pair(0.0f, -1.0f), std::pair(9.0f, 1.0f)})
    EXPECT_EQ(env->step({&action, 1}, observation).reward, expected);
  EXPECT_EQ(observation[1], 4.0f);
}

TEST(ProcessEnvTest, ABatchIsTheSameInAnyNumberOfProcesses) {
  constexpr int N = 5;
  std::vector<std::vector<float>> outcomes;
  for (const int count : {1, 2, 5}) {
    EnvOptions options = served(shell_word(MBRL_PAGE_SERVER));
    options.process.count = count;
    ThreadPool threads(1);
    EnvPool envs(options, N, 3, threads);
    envs.reset();
    std::vector<float> all = rows(envs);
    std::vector<int> length(N, 0);
    for (int t = 0; t < 250; ++t) {  // beyond the time limit of 200
      std::vector<float> actions(N);
      for (int i = 0; i < N; ++i) actions[i] = std::sin(static_cast<float>(t + i));
      const PoolStep step = envs.step({actions.data(), N, 1});
      for (int i = 0; i < N; ++i) {
        all.push_back(step.reward[i]);
        all.push_back(step.truncated[i]);
        EXPECT_EQ(step.truncated[i] != 0, ++length[i] == 200 && !step.terminated[i]);
        if (step.terminated[i] || step.truncated[i]) length[i] = 0;
      }
      const std::vector<float> now = rows(envs);
      all.insert(all.end(), now.begin(), now.end());
    }
    outcomes.push_back(all);
  }
  EXPECT_EQ(outcomes[0], outcomes[1]);
  EXPECT_EQ(outcomes[0], outcomes[2]);
}

TEST(ProcessEnvTest, StartsAreThoseOfTheEpisodesNumber) {
  ThreadPool threads(1);
  EnvPool envs(faulty("fine"), 2, 3, threads);
  envs.reset(7);
  const auto seed = [](int env, std::uint64_t episode) {
    return static_cast<float>(process_seed(3, (static_cast<std::uint64_t>(env) << 32) + episode) %
                              1000);
  };
  EXPECT_THAT(rows(envs), ElementsAre(seed(0, 7), 0, seed(1, 7), 0));
  const float actions[2] = {0, 0};
  envs.step({actions, 2, 1});
  const std::vector<double> state = envs.get_state();
  EXPECT_FALSE(envs.saves_state());

  // another pool goes on at the start of the next episodes
  EnvPool others(faulty("fine"), 2, 3, threads);
  others.set_state(state);
  EXPECT_THAT(rows(others), ElementsAre(seed(0, 8), 0, seed(1, 8), 0));
}

TEST(ProcessEnvTest, InEvaluationOnlyActiveOnesStep) {
  ThreadPool threads(1);
  EnvPool envs(faulty("fine"), 3, 3, threads);
  envs.reset();
  const float actions[3] = {1, 1, 1};
  const std::uint8_t active[3] = {1, 0, 1};
  const PoolStep step = envs.step({actions, 3, 1}, active);
  EXPECT_THAT((std::vector<float>{step.reward[0], step.reward[1], step.reward[2]}),
              ElementsAre(1, 0, 1));
  const std::vector<float> now = rows(envs);
  EXPECT_THAT((std::vector<float>{now[1], now[3], now[5]}), ElementsAre(1, 0, 1));
}

struct FaultCase {
  const char* mode;
  Fault fault;
  const char* text;  // of the last failure, a regular expression
};

class ProcessFaultTest : public testing::TestWithParam<FaultCase> {};

// the episode ends truncated, is paid nothing, and the next one runs in another process
TEST_P(ProcessFaultTest, EndsTheEpisodeAndStartsTheProcessAgain) {
  const TemporaryDirectory folder;
  ThreadPool threads(1);
  EnvOptions options = faulty_once(GetParam().mode, 3, folder);
  const std::string mode = GetParam().mode;
  options.process.timeout = mode == "hangs" || mode == "floods" ? 4.0f : 60.0f;
  EnvPool envs(options, 1, 3, threads);
  envs.reset();
  const float action = 1.0f;
  for (int t = 1; t <= 6; ++t) {
    const std::vector<float> before = rows(envs);
    const PoolStep step = envs.step({&action, 1, 1});
    EXPECT_EQ(step.broken[0], t == 3 ? GetParam().fault : kNoFault) << t;
    EXPECT_EQ(step.truncated[0], t == 3) << t;
    EXPECT_EQ(step.terminated[0], 0);
    EXPECT_EQ(step.reward[0], t == 3 ? 0.0f : 1.0f);
    EXPECT_EQ(rows(envs)[1], t < 3 ? t : t - 3) << "a new episode";
    if (t == 3) {
      EXPECT_EQ(step.next_observation[0], before[0]) << "the last one that is known";
    }
  }
  EXPECT_THAT(envs.last_failure(), MatchesRegex(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    Modes, ProcessFaultTest,
    testing::Values(
        FaultCase{"dies", kDied,
                  "it ended with exit code 3. Its last words: the first line \\| out of luck"},
        FaultCase{"killed", kDied, "it was ended by signal 9 \\(Killed\\)"},
        FaultCase{"leaves_a_child", kDied, "it ended with exit code 4"},
        FaultCase{"closes", kDied, "it closed the descriptor .*"},
        FaultCase{"hangs", kHung, "it did not answer within 4 s, which is process.timeout"},
        FaultCase{"floods", kHung,
                  "it did not answer within 4 s, which is process.timeout. Its last words: x*"},
        FaultCase{"number", kNonsense, "its reply has the number [0-9]+ where [0-9]+ was asked.*"},
        FaultCase{"short", kNonsense, "its reply has 12 bytes; expected 13"},
        FaultCase{"flags", kNonsense, "its reply holds flags beyond 3"},
        FaultCase{"refuses", kRefused, "the arm broke"}),
    [](const auto& one) { return std::string(one.param.mode); });

TEST(ProcessEnvTest, AValueThatIsNotFiniteIsTheEnvironmentsOwnFault) {
  ThreadPool threads(1);
  EnvPool envs(faulty("not_a_number 2"), 1, 3, threads);
  envs.reset();
  const float action = 1.0f;
  EXPECT_EQ(envs.step({&action, 1, 1}).broken[0], kNoFault);
  EXPECT_EQ(envs.step({&action, 1, 1}).broken[0], kNotFinite);
  EXPECT_EQ(envs.step({&action, 1, 1}).broken[0], kNoFault);
  EXPECT_EQ(envs.last_failure(), "") << "the process goes on";
  const float nan = std::nanf("");
  EXPECT_EQ(envs.step({&nan, 1, 1}).broken[0], kBadAction);
}

TEST(ProcessEnvTest, WhatItPrintsDisturbsNothing) {
  ThreadPool threads(1);
  EnvPool envs(faulty("prints 1"), 1, 3, threads);
  envs.reset();
  const float action = 1.0f;
  for (int t = 0; t < 3; ++t) EXPECT_EQ(envs.step({&action, 1, 1}).broken[0], kNoFault);
}

TEST(ProcessEnvTest, AFaultEndsTheEpisodesOfItsProcessAlone) {
  const TemporaryDirectory folder;
  ThreadPool threads(1);
  EnvOptions options = faulty_once("dies", 2, folder);
  options.process.count = 2;
  EnvPool envs(options, 4, 3, threads);
  envs.reset();
  const float actions[4] = {1, 1, 1, 1};
  envs.step({actions, 4, 1});
  const PoolStep step = envs.step({actions, 4, 1});
  // whichever of the two made the marker first
  const int dead = step.broken[0] ? 0 : 2;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(step.broken[i], i / 2 == dead / 2 ? kDied : kNoFault) << i;
  EXPECT_EQ(rows(envs)[2 * dead + 1], 0);
  EXPECT_EQ(rows(envs)[2 * (2 - dead) + 1], 2);
}

/// Three environments in one process, whose first ends its episodes at step 5.
EnvOptions in_one_that_dies_in_a_reset(const TemporaryDirectory& folder) {
  EnvOptions options = faulty_once("dies_in_reset", 2, folder);
  options.process.count = 1;
  return options;
}

TEST(ProcessEnvTest, AProcessThatDiesInAResetTakesTheRunningEpisodesAlong) {
  const TemporaryDirectory folder;
  ThreadPool threads(1);
  EnvPool envs(in_one_that_dies_in_a_reset(folder), 3, 3, threads);
  envs.reset();
  const float actions[3] = {1, 1, 1};
  for (int t = 1; t < 5; ++t) envs.step({actions, 3, 1});
  const PoolStep step = envs.step({actions, 3, 1});
  const auto all = [](const auto& values) {
    return std::vector<std::remove_cvref_t<decltype(*values.data)>>(values.data,
                                                                    values.data + values.count());
  };
  EXPECT_THAT(all(step.terminated), ElementsAre(1, 0, 0));
  EXPECT_THAT(all(step.truncated), ElementsAre(0, 1, 1));
  EXPECT_THAT(all(step.broken), ElementsAre(kNoFault, kDied, kDied));
  EXPECT_THAT(all(step.reward), ElementsAre(1, 0, 0));
  EXPECT_EQ(step.next_observation[1], 5) << "the end of the first one";
  EXPECT_EQ(envs.last_failure(), "it ended with exit code 7");
  // all are at the start of their second episode
  std::vector<float> starts;
  for (std::uint64_t i = 0; i < 3; ++i) {
    starts.push_back(static_cast<float>(process_seed(3, (i << 32) + 1) % 1000));
    starts.push_back(0);
  }
  EXPECT_EQ(rows(envs), starts);
  const PoolStep after = envs.step({actions, 3, 1});
  EXPECT_THAT(all(after.broken), ElementsAre(kNoFault, kNoFault, kNoFault));
  EXPECT_THAT(all(after.truncated), ElementsAre(0, 0, 0));
  EXPECT_THAT(all(after.reward), ElementsAre(1, 1, 1));
}

TEST(ProcessEnvTest, OneThatIsLeftOutOfAStepLosesItsEpisodeUnseen) {
  const TemporaryDirectory folder;
  ThreadPool threads(1);
  EnvPool envs(in_one_that_dies_in_a_reset(folder), 3, 3, threads);
  envs.reset();
  const float actions[3] = {1, 1, 1};
  const std::uint8_t active[3] = {1, 1, 0};
  for (int t = 1; t < 5; ++t) envs.step({actions, 3, 1}, active);
  const PoolStep step = envs.step({actions, 3, 1}, active);
  EXPECT_EQ(step.broken[1], kDied);
  EXPECT_EQ(step.broken[2], kNoFault);
  EXPECT_EQ(step.truncated[2], 0);
  EXPECT_EQ(rows(envs)[4], static_cast<float>(process_seed(3, (2ull << 32) + 1) % 1000));
  EXPECT_EQ(envs.step({actions, 3, 1}).broken[2], kNoFault) << "it was started again";
}

// the second failure takes along what the first one had started again
TEST(ProcessEnvTest, AnEpisodeThatEndedIsNotBrokenByALostStartOfTheNext) {
  const TemporaryDirectory folder;
  ThreadPool threads(1);
  EnvOptions options = faulty_once("dies_in_two_resets", 2, folder);
  options.process.count = 1;
  EnvPool envs(options, 2, 3, threads);
  envs.reset();
  const float actions[2] = {1, 1};
  for (int t = 1; t < 5; ++t) envs.step({actions, 2, 1});
  const PoolStep step = envs.step({actions, 2, 1});
  EXPECT_EQ(step.terminated[0], 1);
  EXPECT_EQ(step.truncated[0], 0);
  EXPECT_EQ(step.broken[0], kNoFault);
  EXPECT_EQ(step.reward[0], 1);
  EXPECT_EQ(step.broken[1], kDied);
  const auto start = [](std::uint64_t env, std::uint64_t episode) {
    return static_cast<float>(process_seed(3, (env << 32) + episode) % 1000);
  };
  EXPECT_THAT(rows(envs), ElementsAre(start(0, 2), 0, start(1, 1), 0));
  EXPECT_EQ(envs.step({actions, 2, 1}).broken[0], kNoFault);
}

TEST(ProcessEnvTest, FailuresInResetsAreFailuresInARow) {
  ThreadPool threads(1);
  EnvOptions options = faulty("dies_in_reset 2");
  options.process.count = 1;
  EnvPool envs(options, 2, 3, threads);
  envs.reset();
  const float actions[2] = {1, 1};
  for (int t = 1; t < 5; ++t) envs.step({actions, 2, 1});
  EXPECT_THAT(
      error_text<Error>([&] {
        envs.step({actions, 2, 1});
      }),
      HasSubstr("failed 3 times in a row, with no whole episode in between. The last time it ended "
                "with exit code 7."));
}

TEST(ProcessEnvTest, AnEpisodeThatWasLostIsNotStepped) {
  const TemporaryDirectory folder;
  ProcessBatch batch(in_one_that_dies_in_a_reset(folder), 2, 1);
  const std::uint8_t both[2] = {1, 1}, first[2] = {1, 0}, second[2] = {0, 1};
  const std::uint64_t seeds[2] = {1, 2};
  std::vector<float> observation(4), next(4), reward(2), action(2);
  std::vector<std::uint8_t> flags(2), faults(2);
  const auto step = [&](const std::uint8_t* which) {
    batch.step({which, 2}, action.data(), next.data(), reward.data(), flags.data(), faults.data());
  };
  EXPECT_THAT(error_text<ShapeError>([&] { step(second); }),
              HasSubstr("environment 1 is stepped before its episode was started"));
  batch.reset({both, 2}, {seeds, 2}, observation.data());
  step(both);
  EXPECT_EQ(batch.lost(1), kNoFault);
  batch.reset({first, 2}, {seeds, 2}, observation.data());
  EXPECT_EQ(batch.lost(0), kNoFault);
  EXPECT_EQ(batch.lost(1), kDied);
  step(first);
  EXPECT_THAT(error_text<ShapeError>([&] { step(both); }),
              HasSubstr("environment 1 is stepped before its episode was started"));
  batch.reset({second, 2}, {seeds, 2}, observation.data());
  EXPECT_EQ(batch.lost(1), kNoFault);
  step(both);
  EXPECT_THAT(faults, ElementsAre(kNoFault, kNoFault));
}

// on one core two of its threads would take turns
TEST(ProcessEnvTest, OnlyAProcessThatIsAloneStaysOnOneCore) {
  cpu_set_t cores;
  ASSERT_EQ(sched_getaffinity(0, sizeof(cores), &cores), 0);
  const auto all = static_cast<float>(CPU_COUNT(&cores));
  if (all < 2) GTEST_SKIP() << "one core";
  ThreadPool threads(1);
  const auto cores_at_steps = [&](const std::string& mode, int count) {
    EnvOptions options = faulty(mode);
    options.process.count = count;
    EnvPool envs(options, 2, 3, threads);
    envs.reset();
    const float actions[2] = {0, 0};
    std::vector<float> found;
    for (int t = 0; t < 3; ++t) found.push_back(envs.step({actions, 2, 1}).reward[0]);
    return found;
  };
  EXPECT_THAT(cores_at_steps("cores", 1), ElementsAre(all, 1, 1));
  EXPECT_THAT(cores_at_steps("cores", 2), ElementsAre(all, all, all));
  EXPECT_THAT(cores_at_steps("cores_with_thread", 1), ElementsAre(all, all, all));
  EXPECT_THAT(cores_at_steps("cores_with_child", 1), ElementsAre(all, all, all));
}

TEST(ProcessEnvTest, TheThirdFailureInARowEndsTheRun) {
  ThreadPool threads(1);
  EnvPool envs(faulty("dies 2"), 1, 3, threads);
  envs.reset();
  const float action = 1.0f;
  const auto steps = [&](int count) {
    for (int t = 0; t < count; ++t) envs.step({&action, 1, 1});
  };
  steps(5);
  const std::string text = error_text<Error>([&] { steps(1); });
  EXPECT_THAT(text,
              HasSubstr("dies 2: its process failed 3 times in a row, with no whole episode in "
                        "between. The last time it ended with exit code 3. Its last words: "
                        "the first line | out of luck."));

  // whole episodes in between
  EnvOptions often = faulty("dies 3");
  often.max_episode_steps = 2;
  EnvPool others(often, 1, 3, threads);
  others.reset();
  int num_broken = 0;
  for (int t = 0; t < 20; ++t) num_broken += others.step({&action, 1, 1}).broken[0] == kDied;
  EXPECT_GE(num_broken, 5);
}

TEST(ProcessEnvTest, AStartThatIsNotFiniteEndsTheRun) {
  ThreadPool threads(1);
  const TemporaryDirectory folder;
  EnvPool once(faulty_once("bad_start", 1, folder), 1, 3, threads);
  once.reset();  // the second try is fine
  EnvOptions options = faulty("bad_start");
  EnvPool envs(options, 1, 3, threads);
  EXPECT_THAT(
      error_text<Error>([&] { envs.reset(); }),
      HasSubstr("failed 3 times in a row, with no whole episode in between. The last time an "
                "episode starts with a value that is not finite"));
}

TEST(ProcessEnvTest, OneThatSaysOtherSizesThanBeforeIsRefused) {
  const TemporaryDirectory folder;
  ThreadPool threads(1);
  EnvPool envs(faulty_once("grows", 1, folder), 2, 3, threads);
  EXPECT_THAT(error_text<Error>([&] { envs.reset(); }),
              HasSubstr("it does not say the same of itself as before: observations of 3 entries, "
                        "actions of 1; before 2 and 1"));
  for (const auto& [mode, text] :
       {std::pair("other_bounds",
                  "entry 0 of its actions within -7 and 1; before within -3 and 1."),
        std::pair("no_more_ends", "it serves no ends; before it did."),
        std::pair("other_limit", "a time limit of 5 steps; before 1000."),
        std::pair("other_name", "the name another; before faulty."),
        std::pair("other_entries", "other names of the observation's entries.")}) {
    EnvPool others(faulty_once(mode, 1, folder), 2, 3, threads);
    EXPECT_THAT(error_text<Error>([&] { others.reset(); }),
                HasSubstr(std::string("it does not say the same of itself as before: ") + text));
  }
}

TEST(ProcessEnvTest, CommandsThatCannotServeSayWhy) {
  EXPECT_THAT(start_text(served("")), StartsWith("env.name is process, but env.command is empty"));
  EXPECT_THAT(start_text(served("  ")), HasSubstr("which names no program"));
  EXPECT_THAT(start_text(served("a 'b")), HasSubstr("a ' has no end. Quote it, or write sh -c"));
  EXPECT_THAT(start_text(served("a | b")), HasSubstr("an unquoted | asks a shell"));
  EXPECT_THAT(
      start_text(faulty("refuses_without_a_text")),
      MatchesRegex(".* refuses_without_a_text: it answered with an error without a text\\."));
  EXPECT_EQ(start_text(served("no_such_program_at_all -x")),
            "env.command: there is no program no_such_program_at_all in PATH. Give one that is "
            "installed, such as python3, or its path.");
  EXPECT_THAT(start_text(served("~/bin/x")), HasSubstr("No shell puts your folder in place of ~."));
  EXPECT_THAT(start_text(served("A=1 x")), HasSubstr("write `env NAME=VALUE program ...`"));
  EXPECT_THAT(start_text(served("/")), HasSubstr("env.command: / cannot be started: Permission"));
  EXPECT_THAT(start_text(faulty("quits")),
              HasSubstr("quits: it ended with exit code 5. Its last words: it is not my day."));
  EXPECT_THAT(start_text(served("true")), HasSubstr("true: it ended with exit code 0."));
  EnvOptions silent = faulty("silent");
  silent.process.timeout = 0.2f;
  EXPECT_THAT(start_text(silent), HasSubstr("silent: it did not answer within 0.2 s, which is "
                                            "process.timeout."));
  EXPECT_THAT(start_text(faulty("magic")), HasSubstr("does not begin with \"mbrl\""));
  EXPECT_THAT(start_text(faulty("version")),
              HasSubstr("it speaks version 2 of the protocol, this program version 1; take the "
                        "server and the program of one release."));
  EXPECT_THAT(start_text(faulty("no_observation")),
              HasSubstr("announces observations of 0 entries"));
  EXPECT_THAT(start_text(faulty("number_of_environments")),
              HasSubstr("it made 2 environments where 1 were asked for"));
  EXPECT_THAT(start_text(faulty("names")),
              HasSubstr("names 1 entries of an observation that has 2"));
  EXPECT_THAT(start_text(faulty("many_names")),
              HasSubstr("names more than 2 entries of an observation that has 2"));
  EXPECT_THAT(start_text(faulty("infinite")),
              HasSubstr("entry 0 of its actions is bounded by -3 and inf. A policy acts within "
                        "finite bounds: give the environment some"));
  EXPECT_THAT(start_text(faulty("swapped")), HasSubstr("bounded by 1 and -3; low must be below"));
}

TEST(ProcessEnvTest, KeysThatDoNotFit) {
  EnvOptions options;
  options.command = "x";
  EXPECT_THAT(start_text(options), HasSubstr("env.command is set, but env.name is hopper"));
  options = {};
  options.process.count = 2;
  EXPECT_THAT(start_text(options), HasSubstr("section process is set, but env.name is hopper"));
  options = faulty("fine");
  options.process.end_bounds = {0, 1, 2};
  EXPECT_THAT(start_text(options), HasSubstr("only env.end=bounds reads it"));
  options.end = "bounds";
  EXPECT_EQ(make_env(options)->spec().end_bounds.count, 1);
  options.process.end_bounds = {};
  EXPECT_THAT(start_text(options), HasSubstr("process.end_bounds has 0 numbers"));
  options.process.end_bounds = {2, 0, 1};
  EXPECT_THAT(start_text(options),
              HasSubstr("names entry 2 of the observation of faulty, which has "
                        "entries 0 to 1: 0 seed, 1 steps."));
  options.process.end_bounds = {0, 1, 1};
  EXPECT_THAT(start_text(options), HasSubstr("low must be below high"));
  options = served(shell_word(MBRL_PAGE_SERVER));
  options.end = "served";
  EXPECT_THAT(start_text(options), HasSubstr("env.end is served, but point serves no ends"));
}

TEST(ServedEndsTest, AnswersForEveryRow) {
  ServedEnds ends(faulty("fine"));
  std::vector<float> observations;
  for (int row = 0; row < 100'000; ++row) {
    observations.push_back(0);
    observations.push_back(static_cast<float>(row % 10));
  }
  std::vector<std::uint8_t> answers(100'000);
  ends.ask(observations.data(), 100'000, answers.data());
  for (int row = 0; row < 100'000; ++row) ASSERT_EQ(answers[row], row % 10 > 5) << row;
}

TEST(ServedEndsTest, AProcessThatGreetsOtherwiseIsNotAsked) {
  for (const auto& [mode, text] :
       {std::pair("grows",
                  "observations of 3 entries, actions of 1; "
                  "before 2 and 1."),
        std::pair("no_more_ends", "it serves no ends; before it did.")}) {
    const TemporaryDirectory folder;
    ServedEnds ends(faulty_once(mode, 1, folder));  // the first process greeted there
    const float observation[2] = {0, 9};
    std::uint8_t answer = 0;
    EXPECT_THAT(
        error_text<DataError>([&] { ends.ask(observation, 1, &answer); }),
        HasSubstr("failed 3 times in a row when it was asked where imagined episodes end. The last "
                  "time it does not say the same of itself as before: " +
                  std::string(text)));
  }
}

}  // namespace
}  // namespace mbrl

// Tests for mbrl_gpu tune (host/cli/tune.cpp, host/tune/study/study.cpp), from the real program: tiny
// studies through each method, killed and gone on with.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/program.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::json;

// smoke, in a moment
constexpr char kConfig[] = R"({
  "extends": "smoke", "name": "brief",
  "loop": {"num_env_steps": 360, "num_exploration_steps": 100, "min_replay_size": 100},
  "eval": {"interval": 40, "num_episodes": 1},
  "env": {"max_episode_steps": 20},
  "model": {"hidden_size": 8, "max_epochs": 2},
  "rollout": {"batch_size": 50},
  "sac": {"hidden_sizes": [8, 8], "updates_per_step": 1, "batch_size": 32},
  "tune": {
    "space": {"sac.learning_rate": {"low": 1e-4, "high": 1e-2, "log": true},
              "sac.batch_size": {"choices": [16, 32]}},
    "trials": 4, "points": 2, "iterations": 3, "min_steps": 120
  }
})";

class TuneTest : public ProgramTest {
 protected:
  TuneTest() { folder_.write("brief.json", kConfig); }

  Outcome tune(std::vector<std::string> words) {
    words.insert(words.begin(), {"tune", "brief.json"});
    return run(words);
  }
  std::vector<Json> journal(const std::string& study) const {
    std::istringstream lines(file_text(folder_.path() / study / "journal.log"));
    std::vector<Json> all;
    for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
    return all;
  }
  // what a study says of each trial, whatever the order of its lines and their times
  std::vector<std::string> trials(const std::string& study) const {
    std::vector<std::map<std::string, Json>> all;
    for (const Json& line : journal(study)) {
      const int operation = line.at("op_code");
      if (operation == 4) all.push_back({{"params", line.at("params")}});
      if (operation == 6 && line.at("state") != 0)
        all.at(line.at("trial_id"))
            .insert({{"state", line.at("state")}, {"values", line.at("values")}});
      if (operation == 7)
        all.at(line.at("trial_id"))
            .emplace(fmt::format("step {}", line.at("step").get<int>()),
                     line.at("intermediate_value"));
    }
    std::vector<std::string> texts;
    for (const auto& trial : all) texts.push_back(Json(trial).dump());
    return texts;
  }
};

TEST_F(TuneTest, EachMethodEndsWithTheBestSettingAndTheCommandThatTestsIt) {
  const std::map<std::string, std::size_t> num_trials{
      {"random", 4}, {"grid", 4}, {"hyperband", 3 + 2 + 3}};
  for (const auto& [method, count] : num_trials) {
    const Outcome outcome = tune({"tune.method=" + method, "--study", method});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    const std::string told = output();
    EXPECT_THAT(told, HasSubstr("best first")) << method;
    EXPECT_THAT(told, HasSubstr("mbrl_gpu sweep brief.json sac.learning_rate=")) << method;
    EXPECT_THAT(told, HasSubstr("seed=100..109")) << method;
    EXPECT_EQ(trials(method).size(), count) << method;
    // the winner is one of the complete trials with the highest value
    double best = -1e300;
    for (const Json& line : journal(method))
      if (line.at("op_code") == 6 && line.at("state") == 1)
        best = std::max(best, line.at("values").at(0).get<double>());
    EXPECT_THAT(told, HasSubstr(fmt::format("{:.2f}", best))) << method;
    // nothing is left to do
    const std::string before = file_text(folder_.path() / method / "journal.log");
    ASSERT_EQ(tune({"tune.method=" + method, "--study", method}).exit_code, 0);
    EXPECT_EQ(file_text(folder_.path() / method / "journal.log"), before) << method;
  }
  // hyperband's trials are its own
  const std::string told_off =
      "tune --tell 0: hyperband trains its trials itself; choose tune.method=random or grid, or "
      "leave --tell out.";
  const Outcome told = tune({"tune.method=hyperband", "--study", "hyperband", "--tell", "0", "99"});
  EXPECT_EQ(told.exit_code, 2);
  EXPECT_THAT(told.error, HasSubstr(told_off));
  // the best one is another program's, which has a use of its own for the name of an attribute
  std::string line;
  for (const Json& one : journal("random"))
    if (one.at("op_code") == 4) {
      Json whole = one;
      whole["state"] = 1;
      whole["value"] = 12345.0;
      whole["user_attrs"] = {{"schedule", Json::array()}};
      line = whole.dump() + "\n";
      // one that is better, without a value of each key
      whole["value"] = 23456.0;
      whole["params"].erase("sac.batch_size");
      line += whole.dump() + "\n";
    }
  const fs::path log = folder_.path() / "random" / "journal.log";
  write_text(log, file_text(log) + line);
  ASSERT_EQ(tune({"tune.method=random", "--study", "random"}).exit_code, 0)
      << file_text(folder_.path() / "err");
  EXPECT_THAT(output(), testing::ContainsRegex("best first[^\n]*\n-*\n?trial 4 +12345"));
  EXPECT_THAT(output(), HasSubstr("next     mbrl_gpu sweep brief.json sac.learning_rate="));
  // 3 at 120 of which 1 at 360, then 2 at 360, then the first once more
  const std::vector<std::string> banded = trials("hyperband");
  int num_pruned = 0, num_complete = 0;
  for (const std::string& trial : banded) {
    num_pruned += trial.find("\"state\":2") != std::string::npos;
    num_complete += trial.find("\"state\":1") != std::string::npos;
  }
  EXPECT_EQ(num_pruned + num_complete, static_cast<int>(banded.size()));
  EXPECT_GT(num_pruned, 0);
}

TEST_F(TuneTest, ContinuedRungsEarnWhatOneRunEarns) {
  ASSERT_EQ(tune({"tune.method=hyperband", "tune.rungs=continued", "tune.eta=2",
                  "tune.min_steps=180", "--study", "s"})
                .exit_code,
            0)
      << file_text(folder_.path() / "err");
  EXPECT_THAT(fmt::format("{}", trials("s").front()), HasSubstr("step 180"));
}

TEST_F(TuneTest, KilledAtAnyMomentItGoesOnAsOneThatWasNot) {
  for (const char* method : {"random", "hyperband"}) {
    const std::vector<std::string> words{
        "tune", "brief.json", std::string("tune.method=") + method, "--concurrent", "2", "--study"};
    const auto with = [&](const std::string& study) {
      auto all = words;
      all.push_back(study);
      return all;
    };
    const std::string whole = std::string(method) + "-whole",
                      parts = std::string(method) + "-parts";
    ASSERT_EQ(run(with(whole)).exit_code, 0);
    // each start gets a little further, wherever that is
    for (int i = 0; i < 4; ++i) {
      const pid_t child = start(with(parts));
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + 60 * i));
      kill(child, SIGKILL);
      finish(child);
    }
    const Outcome outcome = run(with(parts));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_EQ(trials(parts), trials(whole)) << method;
  }
}

// four members in slices of 160, 80, 80 and 40 steps; eight where there are sub-populations
std::vector<std::string> population(const std::string& method, const std::string& study) {
  return {"tune",
          "brief.json",
          "tune.method=" + method,
          "tune.space={\"sac.learning_rate\":{\"low\":1e-4,\"high\":1e-2,\"log\":true},"
          "\"model.max_epochs\":{\"low\":1,\"high\":4}}",
          method == "mf_pbt" ? "tune.trials=8" : "tune.trials=4",
          "pbt.frequencies=[1,2]",
          "pbt.first=160",
          "pbt.interval=80",
          "pbt.truncation=0.5",
          "pbt.backtrack_interval=2",
          "pbt.tolerance=0",
          "--concurrent",
          "2",
          "--study",
          study};
}

TEST_F(TuneTest, APopulationFindsAScheduleThatARunFollows) {
  for (const std::string method : {"pbt", "pbt_bt", "mf_pbt"}) {
    ASSERT_EQ(run(population(method, method)).exit_code, 0) << file_text(folder_.path() / "err");
    EXPECT_THAT(output(), HasSubstr("--schedule incumbent > incumbent.json"));
    EXPECT_THAT(output(), HasSubstr("brief.json schedule=incumbent.json seed=100..109"));
    for (const char* kind : {"incumbent", "top_avg"}) {
      std::vector<std::string> words = population(method, method);
      words.insert(words.end(), {"--schedule", kind});
      ASSERT_EQ(run(words).exit_code, 0) << file_text(folder_.path() / "err");
      const std::string text = output();
      const Json schedule = Json::parse(text);
      // of the whole run, though what went back may not have come to its end
      const int end = schedule.at("end");
      EXPECT_EQ(end, 360) << method;
      folder_.write("found.json", text);
      // on another seed, with the values that the file has, at the steps that it has
      const std::string runs = method + kind;
      ASSERT_EQ(run({"run", "brief.json", "schedule=found.json", "seed=100",
                     fmt::format("loop.num_env_steps={}", end), "--runs=" + runs})
                    .exit_code,
                0)
          << file_text(folder_.path() / "err");
      std::stringstream table(file_text(run_folder(runs) / "schedule.csv"));
      std::string line;
      std::getline(table, line);
      EXPECT_EQ(line, "env_steps,sac.learning_rate,model.max_epochs");
      for (const Json& point : schedule.at("points")) {
        ASSERT_TRUE(std::getline(table, line));
        std::stringstream row(line);
        double step = 0, rate = 0, epochs = 0;
        char comma = 0;
        row >> step >> comma >> rate >> comma >> epochs;
        EXPECT_EQ(step, point.at("at"));
        EXPECT_FLOAT_EQ(static_cast<float>(rate),
                        point.at("values").at("sac.learning_rate").get<float>());
        EXPECT_EQ(epochs, point.at("values").at("model.max_epochs"));
      }
      EXPECT_FALSE(std::getline(table, line));
      // a study that was begun together with others' has a budget: it is read all the same
      words.emplace_back("tune.budget=123456");
      EXPECT_EQ(run(words).exit_code, 0) << file_text(folder_.path() / "err");
      EXPECT_EQ(output(), text);
    }
    std::vector<std::string> words = population(method, method);
    std::vector<std::string> telling = words;
    telling.insert(telling.end(), {"--tell", "1", "99"});
    EXPECT_EQ(run(telling).exit_code, 2);
    EXPECT_THAT(file_text(folder_.path() / "err"),
                HasSubstr("tune --tell 1: " + method + " trains its trials itself; choose"));
    words.emplace_back("tune.budget=123456");
    EXPECT_EQ(run(words).exit_code, 4) << "going on is another matter";
    EXPECT_THAT(file_text(folder_.path() / "err"), HasSubstr("tune.budget differs (0 -> 123456)"));
    words.insert(words.end(), {"--test", "tune.test_seeds=2"});
    EXPECT_EQ(run(words).exit_code, 0) << file_text(folder_.path() / "err");
    EXPECT_THAT(output(), HasSubstr("2 of 2"));
  }
  // what a run follows is part of what it is
  const auto hash_with = [&](const std::string& text) {
    folder_.write("found.json", text);
    EXPECT_EQ(run({"config", "show", "brief.json", "schedule=found.json"}).exit_code, 0);
    const std::string shown = output();
    return shown.substr(shown.rfind("hash "));
  };
  const std::string one = file_text(folder_.path() / "found.json");
  EXPECT_NE(hash_with(one), hash_with(one + " "));
}

// other programs may write any attribute
TEST_F(TuneTest, AMembersScheduleThatIsNoneIsPassedOver) {
  ASSERT_EQ(run(population("pbt", "s")).exit_code, 0) << file_text(folder_.path() / "err");
  const auto best = [&] { return output().substr(output().find("best first")); };
  const auto values = [&] { return best().substr(0, best().find("\n\n")); };
  const std::string found = values();
  const std::string whole = file_text(folder_.path() / "s" / "journal.log");
  std::set<std::string> shown;
  for (const char* schedule :
       {"[]", "\"cosine\"", "[5]", "[{\"values\": 3}]", "[{\"values\": {\"sac.tau\": 1}}]"}) {
    std::istringstream lines(whole);
    std::string text;
    for (std::string line; std::getline(lines, line); text += line + "\n") {
      const Json json = Json::parse(line);
      if (json.at("op_code") != 8 || !json.at("user_attr").contains("schedule")) continue;
      Json changed = json;
      changed["user_attr"]["schedule"] = Json::parse(schedule);
      line = changed.dump();
    }
    write_text(folder_.path() / "s" / "journal.log", text);
    ASSERT_EQ(run(population("pbt", "s")).exit_code, 0) << schedule;
    EXPECT_THAT(output(), HasSubstr("--schedule incumbent > incumbent.json"));
    shown.insert(values());
  }
  EXPECT_EQ(shown.size(), 1u) << "the values that members began with";
  EXPECT_NE(*shown.begin(), found);
}

TEST_F(TuneTest, TheNextCommandOfEachOfSeveralMethodsWorksAsItIsPrinted) {
  std::vector<std::string> words = population("pbt,pbt_bt", "s");
  words.emplace_back("seed=2");
  ASSERT_EQ(run(words).exit_code, 0) << file_text(folder_.path() / "err");
  const std::string told = output();
  std::size_t at = 0;
  for (const std::string method : {"pbt", "pbt_bt"}) {
    const std::string begin = "next     mbrl_gpu ";
    at = told.find(begin, at) + begin.size();
    const std::string command = told.substr(at, told.find('\n', at) - at);
    EXPECT_THAT(command, HasSubstr("seed=2 tune.method=" + method + " --study s/" + method +
                                   "-2 --schedule incumbent > incumbent.json"));
    EXPECT_THAT(command, testing::Not(HasSubstr("pbt,")));
    EXPECT_EQ(shell("\"$M\" " + command), 0);
    EXPECT_TRUE(Json::parse(file_text(folder_.path() / "incumbent.json")).contains("points"));
    fs::remove(folder_.path() / "incumbent.json");
  }
  EXPECT_THAT(told, HasSubstr("mbrl_gpu sweep brief.json schedule=incumbent.json seed=100..109"));
}

TEST_F(TuneTest, ATrialsCommandIsThatOfARun) {
  ASSERT_EQ(
      tune({"pbt.interval=80", "tune.trials=1", "seed=3", "sac.tau=0.1", "--study", "s"}).exit_code,
      0)
      << file_text(folder_.path() / "err");
  const std::string command = file_text(run_folder("s/trials") / "command.txt");
  EXPECT_TRUE(command.starts_with("mbrl_gpu run brief.json sac.tau=0.1 sac.learning_rate="))
      << command;
  EXPECT_THAT(command, HasSubstr(" seed=0 loop.num_env_steps=360 --runs="));
  fs::remove_all(folder_.path() / "s" / "trials");
  EXPECT_EQ(shell("\"$M\" " + command.substr(9, command.size() - 10) + " > out"), 0);
  EXPECT_EQ(file_text(run_folder("s/trials") / "command.txt"), command);
}

// 20 times at moments that the whole study's duration gives
TEST_F(TuneTest, APopulationKilledTwentyTimesEndsAsOneThatWasNot) {
  using Clock = std::chrono::steady_clock;
  const auto start_time = Clock::now();
  ASSERT_EQ(run(population("pbt", "whole")).exit_code, 0) << file_text(folder_.path() / "err");
  const auto duration = Clock::now() - start_time;
  int num_kills = 0;
  for (; num_kills < 20; ++num_kills) {
    const pid_t child = start(population("pbt", "parts"));
    std::this_thread::sleep_for(duration * (3 + num_kills * 7 % 10) / 40);
    kill(child, SIGKILL);
    finish(child);
  }
  const Outcome outcome = run(population("pbt", "parts"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_EQ(trials("parts"), trials("whole"));
  // what is noted again after a kill says the same
  const auto exchanges = [&](const std::string& study) {
    std::map<std::string, std::string> notes;
    for (const Json& line : journal(study)) {
      const int operation = line.at("op_code");
      if (operation != 3 && operation != 8) continue;
      const Json& note = line.at(operation == 3 ? "system_attr" : "user_attr");
      const auto [known, is_new] =
          notes.emplace(fmt::format("{} {}", operation == 3 ? -1 : line.at("trial_id").get<int>(),
                                    note.items().begin().key()),
                        note.dump());
      EXPECT_TRUE(is_new || (known->second == note.dump() && operation == 8)) << known->first;
    }
    return notes;
  };
  EXPECT_EQ(exchanges("parts"), exchanges("whole"));
  // tables to the last digit but for the wall time, and the best member's weights and history
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "whole/members")) {
    const std::string name = entry.path().filename();
    const fs::path other = folder_.path() / "parts/members" /
                           fs::relative(entry.path(), folder_.path() / "whole/members");
    if (name == "episodes.csv" || name == "schedule.csv" || name.ends_with(".safetensors")) {
      EXPECT_TRUE(file_text(entry.path()) == file_text(other)) << other;
    }
  }
}

TEST_F(TuneTest, MembersThatPlanTogetherEndAsThoseThatPlanAlone) {
  folder_.write("plans.json", R"({
    "extends": "pets_smoke", "name": "plans",
    "env": {"max_episode_steps": 20},
    "model": {"hidden_size": 8, "epochs": 2},
    "planner": {"iterations": 2, "population": 12, "horizon": 4, "max_population": 20},
    "loop": {"num_env_steps": 120, "num_exploration_steps": 20, "epoch_length": 20},
    "tune": {"method": "pbt", "trials": 3, "space": {"planner.population": {"low": 10, "high": 20},
             "model.learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}}},
    "pbt": {"first": 60, "interval": 20, "truncation": 0.5}
  })");
  for (const std::string how : {"together", "alone"})
    ASSERT_EQ(
        run({"tune", "plans.json", "device.plans=" + how, "--concurrent", "3", "--study", how})
            .exit_code,
        0)
        << file_text(folder_.path() / "err");
  EXPECT_EQ(trials("together"), trials("alone"));
  int num_compared = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "together/members")) {
    const std::string name = entry.path().filename();
    const fs::path other = folder_.path() / "alone/members" /
                           fs::relative(entry.path(), folder_.path() / "together/members");
    if (name != "episodes.csv" && name != "schedule.csv" && !name.ends_with(".safetensors"))
      continue;
    EXPECT_TRUE(file_text(entry.path()) == file_text(other)) << other;
    ++num_compared;
  }
  EXPECT_EQ(num_compared, 3 * 2 + 2 * 2) << "tables of three, two checkpoints of the best one";
}

TEST_F(TuneTest, WhatAScheduleCannotDoIsRefusedWithTheWayOut) {
  const auto refused = [&](const std::string& text, const std::vector<std::string>& words,
                           const std::string& error) {
    folder_.write("s.json", text);
    std::vector<std::string> all{"run", "brief.json", "schedule=s.json"};
    all.insert(all.end(), words.begin(), words.end());
    const Outcome outcome = run(all);
    EXPECT_EQ(outcome.exit_code, 2) << error;
    EXPECT_THAT(outcome.error, HasSubstr(error));
    EXPECT_FALSE(fs::exists(folder_.path() / "runs"));
  };
  const std::string start = "{\"mbrl_gpu_schedule\": 1, ";
  const std::string points =
      "\"points\": [{\"at\": 0, \"values\": {\"sac.learning_rate\": 1e-3}}]}";
  refused(
      start + "\"end\": 200, " + points, {},
      "s.json: the schedule is shorter than the run: it ends after 200 steps, and the run has 360 "
      "env steps. Set loop.num_env_steps=200, or raise \"end\"");
  refused(start + "\"unit\": \"trials\", " + points, {}, "algorithm mbpo has none");
  refused(start + points, {"algorithm=ppo", "loop.num_env_steps=2048"},
          "sac.learning_rate is not read by this run");
  EXPECT_EQ(run({"run", "brief.json", "schedule=none.json"}).exit_code, 4);
  EXPECT_EQ(tune({"--study", "s", "--schedule", "incumbent"}).exit_code, 4);
  EXPECT_THAT(file_text(folder_.path() / "err"), HasSubstr("there is no study in s"));
}

TEST_F(TuneTest, SeveralProcessesShareAStudyAndComeToWhatOneDoes) {
  for (const char* method : {"random", "hyperband"}) {
    const auto with = [&](const std::string& study) {
      return std::vector<std::string>{
          "tune",    "brief.json", std::string("tune.method=") + method, "--concurrent", "1",
          "--study", study};
    };
    const std::string whole = std::string(method) + "-whole",
                      parts = std::string(method) + "-parts",
                      killed = std::string(method) + "-killed";
    ASSERT_EQ(run(with(whole)).exit_code, 0);
    std::vector<pid_t> children;
    for (int i = 0; i < 3; ++i) children.push_back(start(with(parts)));
    for (const pid_t child : children) {
      const Outcome outcome = finish(child);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    }
    EXPECT_EQ(trials(parts), trials(whole)) << method;
    // none was trained twice, and nothing is left behind
    std::multiset<int> begun;
    for (const Json& line : journal(parts))
      if (line.at("op_code") == 6 && line.at("state") == 0)
        begun.insert(line.at("trial_id").get<int>());
    EXPECT_EQ(begun.size(), trials(whole).size()) << method;
    EXPECT_EQ(std::set<int>(begun.begin(), begun.end()).size(), begun.size()) << method;
    for (const char* name : {"claims", "workers"})
      EXPECT_TRUE(fs::is_empty(folder_.path() / parts / name)) << method << " " << name;

    // one goes on while the others are killed, again and again
    const pid_t last = start(with(killed));
    for (int i = 0; i < 4; ++i) {
      const pid_t child = start(with(killed));
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + 40 * i));
      kill(child, SIGKILL);
      finish(child);
    }
    const Outcome outcome = finish(last);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_EQ(trials(killed), trials(whole)) << method;
  }
}

TEST_F(TuneTest, APopulationHasItsStudyForItself) {
  std::vector<std::string> words = population("pbt", "s");
  words.emplace_back("loop.num_env_steps=100000");
  const pid_t first = start(words);
  while (!fs::exists(folder_.path() / "s" / "claims" / "study")) usleep(1000);
  std::string script = "\"$M\"";
  for (const std::string& word : words) script += " '" + word + "'";
  EXPECT_EQ(shell(script + " 2>refused"), 4);
  EXPECT_THAT(file_text(folder_.path() / "refused"),
              HasSubstr("one process alone trains a population"));
  kill(first, SIGKILL);
  finish(first);
}

TEST_F(TuneTest, OthersAskAndTellWhileAProcessTrains) {
  const pid_t trainer =
      start({"tune", "brief.json", "tune.trials=6", "--concurrent", "1", "--study", "s"});
  const auto has_begun = [&] {
    try {
      for (const Json& line : journal("s"))
        if (line.at("op_code") == 6) return true;
    } catch (const std::exception&) {
      // not there yet, or a line that is being written
    }
    return false;
  };
  while (!has_begun()) usleep(1000);
  // held where it does not write: the others are not to wait for it
  const int queue = open((folder_.path() / "s" / "lock").c_str(), O_RDWR);
  for (;; usleep(1000)) {
    kill(trainer, SIGSTOP);
    int status = 0;
    waitpid(trainer, &status, WUNTRACED);
    ASSERT_TRUE(WIFSTOPPED(status));
    if (flock(queue, LOCK_EX | LOCK_NB) == 0) break;
    kill(trainer, SIGCONT);
  }
  close(queue);
  const std::string words = "\"$M\" tune brief.json tune.trials=6 --study s ";
  ASSERT_EQ(shell(words + "--ask > asked1 && " + words + "--ask > asked2"), 0);
  const auto asked = [&](const char* file) {
    return Json::parse(file_text(folder_.path() / file)).at("trial");
  };
  const Json first = asked("asked1"), second = asked("asked2");
  ASSERT_TRUE(first.is_number() && second.is_number());
  EXPECT_NE(first, second);
  EXPECT_EQ(shell(words + "--tell " + first.dump() + " -1.5"), 0);
  kill(trainer, SIGCONT);
  const Outcome outcome = finish(trainer);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(output(), HasSubstr("asked for and not told: trial " + second.dump() + "."));
  EXPECT_THAT(trials("s").at(first.get<std::size_t>()), HasSubstr("[-1.5]"));
  EXPECT_THAT(trials("s").at(second.get<std::size_t>()), testing::Not(HasSubstr("values")));
  // whoever begins now trains it
  ASSERT_EQ(tune({"tune.trials=6", "--study", "s"}).exit_code, 0);
  EXPECT_THAT(trials("s").at(second.get<std::size_t>()), HasSubstr("values"));
}

TEST_F(TuneTest, OthersTrainWhatTheyAskFor) {
  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0) << file_text(folder_.path() / "err");
  const Json first = Json::parse(output());
  EXPECT_EQ(first.at("trial"), 0);
  EXPECT_TRUE(first.at("values").contains("sac.batch_size"));
  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0);
  EXPECT_EQ(Json::parse(output()).at("trial"), 1);
  EXPECT_EQ(tune({"--study", "s", "--tell", "0", "-12.5"}).exit_code, 0);
  EXPECT_EQ(tune({"--study", "s", "--tell", "1", "failed"}).exit_code, 0);
  const auto refused = [&](const std::string& trial, const std::string& value,
                           const std::string& text) {
    const Outcome outcome = tune({"--study", "s", "--tell", trial, value});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.error, HasSubstr(text));
  };
  refused("0", "3", "the trial is complete; what it earned stays");
  refused("2", "3", "the trial is waiting; --ask gives it out first");
  refused("9", "3", "there is no such trial; the study has 4");
  refused("x", "3", "expected a trial's number");
  refused("2", "x", "the value is no number");
  ASSERT_EQ(tune({"--study", "s"}).exit_code, 0);
  EXPECT_THAT(output(), testing::ContainsRegex("trial 0 +-12\\.50"));
  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0);
  EXPECT_EQ(Json::parse(output()).at("trial"), nullptr);
}

TEST_F(TuneTest, SeveralMethodsAreTestedOnSeedsOfTheirOwnAndReported) {
  const std::vector<std::string> words{"tune.method=random,hyperband", "tune.test_seeds=2",
                                       "--study", "s"};
  const auto with = [&](const std::string& option) {
    auto all = words;
    all.push_back(option);
    return all;
  };
  // nothing to test, and nothing that can be asked for
  Outcome outcome = tune(with("--test"));
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("there is no study in s/random-0 to test"));
  outcome = tune(with("--ask"));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("Choose one, such as tune.method=random"));

  outcome = tune(words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_EQ(trials("s/random-0").size(), 4u);
  // 3 at 120 and the best of them at 360, then 2 at 360: what four whole runs cost
  EXPECT_EQ(trials("s/hyperband-0").size(), 5u);
  outcome = tune(with("--test"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(output(), HasSubstr("return of the best settings on test seeds, from 100 on"));
  EXPECT_THAT(output(), HasSubstr("2 of 2"));
  // only what is not there yet is trained
  const std::string table = output().substr(output().find("return of"));
  ASSERT_EQ(tune(with("--test")).exit_code, 0);
  EXPECT_THAT(output(), HasSubstr(table));

  outcome = run({"tune", "report", "s"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(output(), HasSubstr("tune_report.html"));
  const std::string tests = file_text(folder_.path() / "tune_report" / "tests.csv");
  EXPECT_EQ(std::count(tests.begin(), tests.end(), '\n'), 1 + 2 * 2);
  EXPECT_THAT(tests, HasSubstr(",100,"));
  EXPECT_THAT(tests, HasSubstr(",101,"));
  EXPECT_EQ(run({"tune", "report", "nowhere"}).exit_code, 4);
  outcome = run({"tune"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("tune needs a config"));
}

TEST_F(TuneTest, AFullDiskEndsASearchWithAnOptionThatItHas) {
  std::vector<std::string> words{"tune", "brief.json", "--study", "s"};
  const Outcome outcome = run(words, 4000);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr(" cannot be written: File too large"));
  EXPECT_THAT(outcome.error, HasSubstr("choose another disk with --study DIR"));
  EXPECT_THAT(outcome.error, testing::Not(HasSubstr("--runs")));
}

TEST_F(TuneTest, WhatCannotBeIsRefusedWithTheWayOut) {
  const auto refused = [&](int code, const std::vector<std::string>& words,
                           const std::string& text) {
    const Outcome outcome = tune(words);
    EXPECT_EQ(outcome.exit_code, code) << text;
    EXPECT_THAT(outcome.error, HasSubstr(text));
  };
  refused(2, {"tune.space={}"}, "tune.space is empty");
  refused(2, {"tune.space={\"ppo.clip\":{\"low\":0.1,\"high\":0.3}}"}, "which no trial reads");
  refused(2, {"tune.method=pbt"}, "sac.batch_size cannot change between two steps of a run");
  refused(2, {"tune.method=pb"}, "tune.method");
  refused(2, {"tune.method=hyperband", "tune.min_steps=500"}, "tune.min_steps is 500");
  refused(2, {"tune.method=hyperband", "tune.min_steps=40"}, "a trial of 40 steps");
  refused(2, {"tune.method=hyperband", "tune.rungs=continued", "eval.interval=200"},
          "before the first evaluation");
  refused(2, {"tune.method=hyperband", "--ask"}, "hyperband needs the scores");
  // the trials' seeds and the tests' never meet
  refused(2, {"tune.seeds=11"}, "tune.seeds");

  ASSERT_EQ(tune({"--study", "s", "--ask"}).exit_code, 0);
  refused(4, {"--study", "s", "tune.method=grid"}, "tune.method differs (random -> grid)");
  refused(4, {"--study", "s", "sac.tau=0.1"}, "sac.tau differs");
  refused(4, {"--study", "s", "tune.space={\"sac.batch_size\":{\"low\":16,\"high\":64}}"},
          "tune.space.sac.batch_size differs (16|32 -> 16 to 64 int)");
  // a run makes no use of it, and says so
  const Outcome outcome = run({"run", "brief.json", "tune.trials=3"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("tune.trials is not read by a run"));
}

}  // namespace
}  // namespace mbrl

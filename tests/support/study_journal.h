// Journals of searches as a study leaves them, line by line, for tests of what reads them.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace mbrl {

class StudyJournal {
 public:
  using Json = nlohmann::ordered_json;

  /// A study of a float in the logarithm, a whole number and a choice that is a number or a text.
  explicit StudyJournal(const std::string& method, int seed = 0,
                        const std::string& name = "brief") {
    add({{"op_code", 0}, {"study_name", name}, {"directions", {2}}});
    const Json space{{"sac.learning_rate", {{"low", 1e-4}, {"high", 1e-2}, {"log", true}}},
                     {"model.epochs", {{"low", 3}, {"high", 20}, {"int", true}}},
                     {"sac.width",
                      {{"choices",
                        {64,
                         "w\xc3\xbc"
                         "de, \"b\""}}}}};
    const Json config{{"name", name},
                      {"algorithm", "sac"},
                      {"seed", seed},
                      {"env", {{"name", "pendulum"}}},
                      {"loop", {{"num_env_steps", 900}}},
                      {"tune", {{"space", space}, {"method", method}, {"seeds", 1}}}};
    add({{"op_code", 2},
         {"study_id", 0},
         {"user_attr", {{"mbrl_gpu", {{"config", config}, {"files", Json::object()}}}}}});
  }

  void add(Json line) {
    line["worker_id"] = "test";
    text_ += line.dump() + "\n";
  }
  void add_text(const std::string& text) { text_ += text; }

  /// A trial that runs, with its user attributes.
  std::size_t begin(double learning_rate, int epochs, int choice,
                    const Json& attributes = Json::object()) {
    const Json kinds{
        {"sac.learning_rate",
         R"({"name":"FloatDistribution","attributes":{"step":null,"low":1e-4,"high":1e-2,"log":true}})"},
        {"model.epochs",
         R"({"name":"IntDistribution","attributes":{"log":false,"step":1,"low":3,"high":20}})"},
        {"sac.width", Json{{"name", "CategoricalDistribution"},
                           {"attributes",
                            {{"choices",
                              {64,
                               "w\xc3\xbc"
                               "de, \"b\""}}}}}
                          .dump()}};
    add({{"op_code", 4},
         {"study_id", 0},
         {"datetime_start", nullptr},
         {"state", 0},
         {"params",
          {{"sac.learning_rate", learning_rate}, {"model.epochs", epochs}, {"sac.width", choice}}},
         {"distributions", kinds},
         {"user_attrs", attributes}});
    return count_++;
  }
  void score(std::size_t trial, int step, double value) {
    add({{"op_code", 7}, {"trial_id", trial}, {"step", step}, {"intermediate_value", value}});
  }
  /// Optuna's states: 1 complete, 2 pruned, 3 failed.
  void end(std::size_t trial, int state, const Json& value = nullptr) {
    add({{"op_code", 6},
         {"trial_id", trial},
         {"state", state},
         {"values", value.is_null() ? Json(nullptr) : Json::array({value})},
         {"datetime_complete", "2026-01-01T00:00:00+00:00"}});
  }
  void complete(std::size_t trial, double value) {
    score(trial, 900, value);
    end(trial, 1, value);
  }

  const std::string& text() const { return text_; }
  /// Writes it as the journal of a folder.
  std::filesystem::path write(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    write_text(folder / "journal.log", text_);
    return folder;
  }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace mbrl

// Searches as one HTML page that stands alone and as tables: what `mbrl_gpu tune report` writes.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace mbrl {

struct TuneReport {
  std::string html;
  std::vector<std::pair<std::string, std::string>> tables;  // "trials.csv" and its text
  std::string overview;                                     // for a terminal: a row for each study
};

/// Studies, given as their folders, their journals, or folders that hold some. What a study has not
/// got yet is left out of the page; `warn` hears of what is damaged.
///
/// Errors   DataError if there is none, or if none can be read: those of read_study.
TuneReport tune_report(const std::vector<std::string>& arguments,
                       const std::function<void(const std::string&)>& warn);

/// Adds `report` to `tune`.
CLI::App* add_tune_report(CLI::App& tune);

}  // namespace mbrl

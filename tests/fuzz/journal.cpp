// Fuzz target for a study's journal (host/tune/study): the first byte chooses the method, the rest is the
// file. It is read as `tune report` does, which writes a page of it, and as a study that goes on does:
// what its members have been through is taken out of it and what they do next.
#include "host/tune/study/journal.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/cli/tune_report.h"
#include "host/tune/study/exchange.h"
#include "host/tune/study/population_search.h"
#include "host/tune/study/study_record.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

namespace {

Config searched(std::uint8_t byte) {
  Config config;
  config.algorithm = "sac";
  config.env.name = "pendulum";
  config.loop.num_env_steps = 1800;
  config.tune.method = std::vector<std::string>{"pbt", "pbt_bt", "mf_pbt"}[byte % 3];
  config.pbt.explore = byte % 2 == 0 ? "unit" : "raw";
  config.pbt.frequencies = {1};
  config.pbt.first = 1000;
  config.pbt.interval = 200;
  config.tune.space.dimensions = {
      {.key = "sac.learning_rate", .low = 1e-4, .high = 1e-2, .log = true},
      {.key = "sac.updates_per_step", .low = 1, .high = 4, .integer = true},
      {.key = "sac.tau", .choices = {"0.005", "0.02"}}};
  return config;
}

void go_on(const Config& config, const std::filesystem::path& file) {
  Journal journal(file, "study", {{"what", 1}}, config.tune.space, [](const std::string&) {});
  std::vector<std::size_t> members;
  for (std::size_t i = 0; i < journal.trials().size(); ++i)
    if (journal.trials()[i].plan) members.push_back(i);
  PopulationRecord record = read_population(config, journal, members);
  const std::int64_t steps = config.loop.num_env_steps;
  if (const int best = best_slice(record, steps); best >= 0) record.schedule(best);
  top_average(record, config.tune.space, kTopAverage);
  elites(record, config.pbt.elites, steps);
  std::vector<int> ended;
  for (int m = 0; m < record.size(); ++m) {
    record.attributes(m, members);
    record.next_schedule(m);
    fuzz::read_or_refuse([&] { with_values(config, config.tune.space, record.seat(m).values); });
    if (const int last = record.last_slice(m); last >= 0) ended.push_back(last);
  }
  for (const Exchange& one : exchanges({.config = config,
                             .record = record,
                             .num_steps = steps,
                             .go_together = [](const TrialValues&) { return true; }},
                                       ended))
    record.exchange(one);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  if (size == 0) return 0;
  const auto file = folder.write("journal.log", fuzz::text_of(data + 1, size - 1));
  fuzz::read_or_refuse([&] { tune_report({file.string()}, [](const std::string&) {}); });
  fuzz::read_or_refuse([&] { go_on(searched(data[0]), file); });
  return 0;
}

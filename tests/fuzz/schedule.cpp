// Fuzz target for schedule files (host/tune/schedule_file.h): the input is the file. One that is accepted
// reads back as it was, comes to another rank whole, and a run of each algorithm follows it or says why
// not.
#include "host/tune/schedule_file.h"
#include "host/tune/scheduled_run.h"
#include "tests/fuzz/harness.h"

using namespace mbrl;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const auto file = folder.write("s.json", fuzz::text_of(data, size));
  fuzz::read_or_refuse([&] {
    const ScheduleFile schedule = read_schedule(file);
    const auto again = folder.write("again.json", schedule_text(schedule));
    fuzz::require(read_schedule(again) == schedule, "a schedule reads back");
    make_replay(replay_message(schedule));
    for (const SchedulePoint& point : schedule.points)
      for (const auto& [key, value] : point.values.items()) as_number(*find_field(key), value);
    for (const char* algorithm : {"pets", "mbpo", "ppo"})
      fuzz::read_or_refuse([&] {
        RunOptions run;
        run.config.algorithm = algorithm;
        run.config.env.name = "pendulum";
        run.config.schedule = file;
        follow_files(run);
        fuzz::require(run.make_schedule != nullptr, "a run follows what it has accepted");
      });
  });
  return 0;
}

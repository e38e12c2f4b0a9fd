#include "host/tune/training_member.h"

#include <fmt/format.h>

#include "base/error.h"
#include "host/io/checkpoint.h"
#include "host/run/run_dir.h"
#include "host/run/training.h"

namespace mbrl {

void TrainingMember::run(std::int64_t until, OpenDevice& device, ProgressSink& progress) {
  if (complete_) return;
  {
    const RunDir dir = RunDir::open_folder(options_.folder, options_.config, options_.command,
                                           device.description());
    Training training({.config = options_.config,
                       .resume = "auto",
                       .learner_index = options_.learner_index,
                       .to_console = false,
                       .on_warning = options_.on_warning},
                      dir, device, progress,
                      options_.make_schedule ? options_.make_schedule(device) : nullptr);
    const ExitCode code = training.run(until);
    final_return_ = training.final_return();
    if (code != ExitCode::kDone) return;
  }
  complete_ = until >= options_.config.loop.num_env_steps;
  if (complete_ && !options_.keep_checkpoints) std::filesystem::remove_all(checkpoints());
}

void TrainingMember::copy_from(const Member& other) {
  const auto& source = dynamic_cast<const TrainingMember&>(other);
  const auto latest = latest_checkpoint(source.checkpoints(), options_.on_warning);
  if (!latest)
    throw DataError(
        fmt::format("{} has no checkpoint that {} could take over.", source.label(), label()));
  copy_checkpoint(*latest, checkpoints());
  complete_ = source.complete_;
  final_return_ = source.final_return_;
}

}  // namespace mbrl

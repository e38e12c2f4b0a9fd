#include "host/tune/training_member.h"

#include <fmt/format.h>

#include <optional>
#include <system_error>

#include "base/error.h"
#include "host/io/checkpoint.h"
#include "host/run/run_dir.h"
#include "host/run/training.h"

namespace mbrl {

void TrainingMember::run(std::int64_t until, OpenDevice& device, ProgressSink& progress) {
  if (complete_) return;
  {
    std::optional<RunDir> dir;
    try {
      dir.emplace(RunDir::open_folder(options_.folder, options_.config, options_.command,
                                      device.description()));
    } catch (const BusyError& error) {
      if (!options_.on_busy) throw;
      return options_.on_busy(error.what());
    }
    Training training({.config = options_.config,
                       .resume = "auto",
                       .learner_index = options_.learner_index,
                       .to_console = false,
                       .on_warning = options_.on_warning},
                      *dir, device, progress,
                      options_.make_schedule ? options_.make_schedule(device) : nullptr);
    const ExitCode code = training.run(until);
    final_return_ = training.final_return();
    if (code != ExitCode::kDone) return;
  }
  complete_ = until >= options_.config.loop.num_env_steps;
  if (complete_ && !options_.keep_checkpoints)
    drop_checkpoints(options_.folder, options_.on_warning);
}

void drop_checkpoints(const std::filesystem::path& folder,
                      const std::function<void(const std::string&)>& warn) {
  std::error_code error;
  std::filesystem::remove_all(folder / "checkpoints", error);
  if (error && warn)
    warn(fmt::format("{} is no longer needed and cannot be removed: {}.",
                     (folder / "checkpoints").string(), error.message()));
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

#include "host/tune/training_member.h"

#include <fmt/format.h>

#include <optional>
#include <system_error>

#include "base/error.h"
#include "envs/env.h"
#include "host/config/print.h"
#include "host/io/checkpoint.h"
#include "host/run/choose_gemm.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/run/training.h"
#include "host/tune/autombpo/steering_order.h"
#include "host/tune/rank_work.h"
#include "host/tune/scheduled_run.h"

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

void TrainingMember::run_at(RankSlot& slot, std::int64_t until, ProgressSink& progress) {
  if (complete_) return;
  nlohmann::json order{{"work", "member"},
                       {"label", options_.label},
                       {"learner_index", options_.learner_index},
                       {"keep_checkpoints", options_.keep_checkpoints},
                       {"until", until},
                       {"schedule", nullptr}};
  if (options_.schedule_message) order["schedule"] = options_.schedule_message();
  nlohmann::json reply;
  try {
    reply = slot.call(std::move(order),
                      {.folder = options_.folder,
                       .config = options_.config,
                       .command = options_.command,
                       .in_place_elsewhere = options_.in_place_elsewhere},
                      progress);
  } catch (const BusyError& error) {
    if (!options_.on_busy) throw;
    return options_.on_busy(error.what());
  }
  if (options_.on_warning)
    for (const auto& text : reply.at("warnings")) options_.on_warning(text.get<std::string>());
  if (const auto busy = reply.value("busy", std::string()); !busy.empty()) {
    if (!options_.on_busy) throw BusyError(busy);
    return options_.on_busy(busy);
  }
  if (reply.contains("diverged")) throw DivergedError(reply.at("diverged").get<std::string>());
  final_return_ = reply.at("final_return").get<double>();
  complete_ = reply.at("complete").get<bool>();
  // a signal that reached that rank alone
  if (reply.at("stopped").get<bool>()) request_stop();
}

nlohmann::json train_ordered_member(const nlohmann::json& order, const Config& config,
                                    const std::filesystem::path& folder, OpenDevice& device,
                                    ProgressSink& progress) {
  nlohmann::json reply{{"warnings", nlohmann::json::array()}};
  TrainingMemberOptions options{
      .label = order.at("label").get<std::string>(),
      .folder = folder,
      .config = config,
      .command = order.at("command").get<std::vector<std::string>>(),
      .learner_index = order.at("learner_index").get<std::uint32_t>(),
      .on_warning = [&](const std::string& text) { reply["warnings"].push_back(text); },
      .on_busy = [&](const std::string& text) { reply["busy"] = text; },
      .keep_checkpoints = order.at("keep_checkpoints").get<bool>()};
  if (const nlohmann::json& schedule = order.at("schedule"); !schedule.is_null())
    options.make_schedule = [&](OpenDevice& own) {
      return is_replay(schedule) ? make_replay(schedule) : make_steering(schedule, config, own);
    };
  choose_gemm(config, make_env(config.env)->spec(), device, gemm_cache_path());
  TrainingMember member(std::move(options));
  try {
    member.run(order.at("until").get<std::int64_t>(), device, progress);
  } catch (const DivergedError& error) {
    reply["diverged"] = error.what();
  }
  reply["final_return"] = member.final_return();
  reply["complete"] = member.complete_;
  reply["stopped"] = stop_requested();
  return reply;
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

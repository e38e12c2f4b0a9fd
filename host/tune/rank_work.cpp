#include "host/tune/rank_work.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <map>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "base/thread_pool.h"
#include "host/config/load.h"
#include "host/config/print.h"
#include "host/io/console.h"
#include "host/io/folders.h"
#include "host/run/open_device.h"
#include "host/run/run_dir.h"
#include "host/run/signals.h"
#include "host/tune/ordinary_runs.h"
#include "host/tune/rank_folder.h"
#include "host/tune/training_member.h"
#include "kernels/stages/plan/plan_meeting.h"

namespace mbrl {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Message = nlohmann::json;

// in replies
constexpr const char* kWantsFiles = "wants files";
constexpr const char* kSendsFiles = "sends files";

constexpr std::chrono::milliseconds kNap{10};            // far less than any run takes
constexpr std::chrono::seconds kMostAfterStop{120};      // a run stops within a step
constexpr std::chrono::milliseconds kBetweenLooks{500};  // at a process that may have ended
constexpr std::chrono::seconds kOrphaned{30};            // stopped, idle, and not told to end
constexpr std::chrono::milliseconds kBetweenWords{250};  // of progress

std::string bytes_of(const Message& json) {
  std::string bytes;
  Message::to_cbor(json, bytes);
  return bytes;
}

// of a number that may be none: CBOR keeps nan
double number_of(const Message& json, const char* name) { return json.at(name).get<double>(); }

// tells rank 0 how a run goes, a few times a second at most
class DistantProgress : public ProgressSink {
 public:
  DistantProgress(Ranks& ranks, int tag) : ranks_(ranks), tag_(tag) {}
  void set_stage(std::string_view stage) override { stage_ = stage; }
  void update(const ProgressState& s) override {
    const Clock::time_point now = Clock::now();
    if (now - last_ < kBetweenWords) return;
    last_ = now;
    // a rank 0 that is gone is serve()'s to notice
    if (!ranks_.has_ended(0))
      ranks_.send(0, tag_,
                  bytes_of({{"stage", stage_},
                            {"env_steps", s.env_steps},
                            {"total_steps", s.total_steps},
                            {"exploring", s.exploring},
                            {"last_return", s.last_return},
                            {"evaluation", s.evaluation},
                            {"seconds_left", s.seconds_left}}));
  }

 private:
  Ranks& ranks_;
  int tag_;
  std::string stage_;
  Clock::time_point last_{};
};

void show(const Message& word, ProgressSink& progress) {
  progress.set_stage(word.at("stage").get<std::string>());
  progress.update({.env_steps = word.at("env_steps").get<std::int64_t>(),
                   .total_steps = word.at("total_steps").get<std::int64_t>(),
                   .exploring = word.at("exploring").get<bool>(),
                   .last_return = number_of(word, "last_return"),
                   .evaluation = number_of(word, "evaluation"),
                   .seconds_left = number_of(word, "seconds_left")});
}

[[noreturn]] void throw_error(ExitCode code, const std::string& text) {
  switch (code) {
    case ExitCode::kConfig:
      throw ConfigError(text);
    case ExitCode::kDevice:
      throw DeviceError(text);
    default:
      throw DataError(text);
  }
}

Message train(Ranks& ranks, PlanMeeting& plans, const Message& order, const fs::path& folder) {
  const int num_slots = order.at("num_slots").get<int>();
  ThreadPool pool(std::max(1, ranks.num_threads() / num_slots));
  const Config config = config_from_json(order.at("config"), "an order of rank 0");
  OpenDevice device(ranks.device(order.at("device").get<std::string>()), config.device, pool,
                    num_slots);
  device.meet(plans);
  DistantProgress progress(ranks, kReplies + order.at("slot").get<int>());
  const auto kind = order.at("work").get<std::string>();
  if (kind == "run") return train_ordered_run(order, config, folder, device, progress);
  if (kind == "member") return train_ordered_member(order, config, folder, device, progress);
  throw ConfigError(fmt::format("no rank knows the work \"{}\".", printable(kind)));
}

// an order from its first look at the folder to the reply
void work(Ranks& ranks, PlanMeeting& plans, const Message& order) {
  const int slot = order.at("slot").get<int>();
  const auto reply_with = [&](const Message& reply) {
    if (!ranks.has_ended(0)) ranks.send(0, kReplies + slot, bytes_of(reply));
  };
  Message reply;
  std::optional<ScratchFolder> scratch;
  try {
    const Message& seen = order.at("seen");
    fs::path folder = seen.at("folder").get<std::string>();
    if (!order.at("in_place").get<bool>() || !sees_mark(seen)) {
      scratch.emplace();
      folder = scratch->path();
      reply_with({{kWantsFiles, true}});
      receive_folder(ranks, 0, kFiles + slot, folder, /*on_disk=*/false);
    }
    reply = train(ranks, plans, order, folder);
    reply[kSendsFiles] = scratch.has_value();
  } catch (const Error& error) {
    reply = {{"code", static_cast<int>(error.code())}, {"error", error.what()}};
  } catch (const std::exception& error) {
    reply = {{"code", 1}, {"error", error.what()}};
  }
  reply_with(reply);
  if (!reply.value(kSendsFiles, false)) return;
  try {
    send_folder(ranks, 0, kFiles + slot, scratch->path());
  } catch (const DataError&) {
    break_off(ranks, 0, kFiles + slot);
  }
}

}  // namespace

Message RankSlot::call(Message order, const RankRun& run, ProgressSink& progress) {
  const FolderMark mark(run.folder);
  order["config"] = config_to_json(run.config);
  order["command"] = run.command;
  order["seen"] = mark.message();
  order["in_place"] = run.in_place_elsewhere || ranks_.is_here(rank_);
  order["slot"] = slot_;
  order["num_slots"] = num_slots_;
  order["device"] = device_;
  try {
    ranks_.send(rank_, kOrders, bytes_of(order));
    return await_reply(run, progress);
  } catch (const DeviceError&) {
    if (ranks_.has_ended(rank_)) ranks_.give_up();
    throw;
  }
}

Message RankSlot::await_reply(const RankRun& run, ProgressSink& progress) {
  bool told_to_stop = false;
  std::optional<RunDir> away;  // held while the run is there
  std::exception_ptr not_sent;
  Clock::time_point stopped{}, looked = Clock::now();
  for (;;) {
    if (stop_requested() && !std::exchange(told_to_stop, true)) {
      stopped = Clock::now();
      ranks_.send(rank_, kOrders, bytes_of({{"work", "stop"}}));
    }
    const auto bytes = ranks_.receive(rank_, kReplies + slot_);
    if (!bytes) {
      if (const Clock::time_point now = Clock::now(); now - looked > kBetweenLooks) {
        looked = now;
        if (ranks_.has_ended(rank_))
          throw DeviceError(fmt::format(
              "rank {} has ended: killed, or out of memory? Its run goes on from its newest "
              "checkpoint: start the same command again, with any number of ranks.",
              rank_));
      }
      if (told_to_stop && Clock::now() - stopped > kMostAfterStop) {
        ranks_.give_up();
        throw DeviceError(fmt::format(
            "rank {} does not answer. Its run goes on from its newest checkpoint: start the same "
            "command again, with any number of ranks.",
            rank_));
      }
      std::this_thread::sleep_for(kNap);
      continue;
    }
    Message reply = Message::from_cbor(*bytes);
    if (reply.contains("stage")) {
      show(reply, progress);
      continue;
    }
    if (reply.contains(kWantsFiles)) {
      try {
        away.emplace(RunDir::open_folder(run.folder, run.config, run.command,
                                         fmt::format("that of rank {}", rank_)));
        send_folder(ranks_, rank_, kFiles + slot_, run.folder);
      } catch (const DataError&) {
        not_sent = std::current_exception();
        break_off(ranks_, rank_, kFiles + slot_);
      }
      continue;
    }
    progress.finish();
    if (not_sent != nullptr) std::rethrow_exception(not_sent);
    if (reply.contains("code"))
      throw_error(static_cast<ExitCode>(reply.at("code").get<int>()),
                  fmt::format("rank {}: {}", rank_, reply.at("error").get<std::string>()));
    if (reply.at(kSendsFiles).get<bool>()) {
      fs::path arrived = run.folder;
      arrived += kArriving;
      std::error_code ignored;
      fs::remove_all(arrived, ignored);
      try {
        receive_folder(ranks_, rank_, kFiles + slot_, arrived, /*on_disk=*/true);
      } catch (...) {
        fs::remove_all(arrived, ignored);
        throw;
      }
      adopt_folder(arrived, run.folder);
    }
    return reply;
  }
}

std::string idle_ranks_text(std::size_t num_members) {
  const Ranks* ranks = Ranks::current();
  if (ranks == nullptr) return "";
  const auto size = static_cast<std::size_t>(ranks->size());
  std::string text = fmt::format("{} ranks", size);
  if (num_members < size)
    text += fmt::format(", of which {} {} nothing to do: there {} {} to train", size - num_members,
                        size - num_members == 1 ? "has" : "have", num_members == 1 ? "is" : "are",
                        num_members);
  return text + "\n";
}

ExitCode serve(Ranks& ranks) {
  install_signal_handlers();
  ScratchFolder::sweep_up();
  PlanMeeting plans;
  std::map<int, std::jthread> threads;  // by slot
  std::atomic<int> num_working{0};
  Clock::time_point idle_since = Clock::now(), looked = idle_since;
  bool is_alone = false;
  for (;;) {
    if (const auto bytes = ranks.receive(0, kOrders)) {
      if (*bytes == kEnd) return ExitCode::kDone;
      if (*bytes == kEndAtOnce) std::_Exit(static_cast<int>(ExitCode::kStopped));
      const Message order = Message::from_cbor(*bytes);
      if (order.at("work") == "stop") {
        request_stop();
        continue;
      }
      const int slot = order.at("slot").get<int>();
      ++num_working;
      // the one before it has ended: its reply came before this order
      threads[slot] = std::jthread([&ranks, &plans, &num_working, order, slot] {
        try {
          work(ranks, plans, order);
        } catch (const std::exception&) {
          // rank 0 has ended, which the loop sees too, or hears no more of this one's messages
          request_stop();
        }
        --num_working;
      });
      continue;
    }
    if (num_working > 0 || !stop_requested()) idle_since = Clock::now();
    const Clock::time_point now = Clock::now();
    if (now - looked > kBetweenLooks) {
      looked = now;
      is_alone = is_alone || ranks.has_ended(0);
      if (is_alone) request_stop();
    }
    // rank 0 is gone without a word: what runs here stops with checkpoints first
    if (num_working == 0 && (is_alone || now - idle_since > kOrphaned))
      std::_Exit(static_cast<int>(ExitCode::kStopped));
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace mbrl

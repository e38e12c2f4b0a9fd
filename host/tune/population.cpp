#include "host/tune/population.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "cuda/device.h"
#include "cuda/gpu.h"
#include "envs/env.h"
#include "host/algo/memory.h"
#include "host/io/console.h"
#include "host/run/choose_gemm.h"
#include "host/run/signals.h"
#include "host/tune/population_progress.h"
#include "host/tune/rank_work.h"
#include "kernels/stages/plan/plan_meeting.h"

namespace mbrl {
namespace {

constexpr int kLearnersPerGpu = 10;

double gib(std::size_t bytes) { return static_cast<double>(bytes) / (1u << 30); }

}  // namespace

int concurrent_learners(const Config& config, const EnvSpec& env, const Device& device,
                        int num_threads) {
  const bool on_gpu = device.kind == Device::Kind::kCuda;
  const std::size_t each = learner_bytes(config, env, device), free = free_bytes(device);
  const auto fit =
      static_cast<int>(std::min<std::size_t>(free / std::max<std::size_t>(each, 1), 100000));

  const std::string& text = config.population.concurrent;
  int wanted = on_gpu ? kLearnersPerGpu : num_threads;
  if (text != "auto") {
    std::from_chars(text.data(), text.data() + text.size(), wanted);
  } else {
    wanted = std::min(wanted, std::max(fit, 1));
  }
  if (wanted > fit)
    throw DeviceError(
        fmt::format("population.concurrent = {}: {} learners of about {:.2f} GiB each do not fit "
                    "into the {:.1f} GiB that are free on {}; {} {}.",
                    text, wanted, gib(each), gib(free), device_name(device),
                    fit > 0 ? fmt::format("{} do. Set population.concurrent={}, or lower", fit, fit)
                            : "not even one does. Lower",
                    memory_keys(config)));
  return wanted;
}

Population::Population(std::vector<std::unique_ptr<Member>> members, PopulationOptions options,
                       std::string title)
    : members_(std::move(members)),
      failed_(members_.size(), 0),
      options_(std::move(options)),
      title_(std::move(title)) {}

bool Population::run(std::int64_t until) {
  std::vector<std::size_t> todo;
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (!failed_[i]) todo.push_back(i);
  // slot after slot of this process, or of each rank in turn, so that few members are spread
  Ranks* const ranks =
      std::all_of(todo.begin(), todo.end(), [&](auto i) { return members_[i]->can_travel(); })
          ? Ranks::current()
          : nullptr;
  const int num_ranks = ranks != nullptr ? ranks->size() : 1;
  const int num_slots =
      std::max(1, std::min(options_.concurrent * num_ranks, static_cast<int>(todo.size())));
  const int num_here = (num_slots + num_ranks - 1) / num_ranks;
  PopulationProgress progress(title_, static_cast<int>(todo.size()));
  std::atomic<std::size_t> next{0};
  PlanMeeting plans;
  std::mutex measuring, reporting;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(num_slots));

  // members, one after the other, until there is none
  const auto train = [&](const std::function<void(Member&, ProgressSink&)>& run) {
    for (;;) {
      const std::size_t i = next++;
      if (i >= todo.size() || stop_requested()) return;
      Member& member = *members_[todo[i]];
      const auto sink = progress.member(member.label());
      try {
        run(member, *sink);
      } catch (const DivergedError& error) {
        const std::lock_guard<std::mutex> lock(reporting);
        failed_[todo[i]] = 1;
        member.failed(error.what());
      }
    }
  };
  const auto work = [&](std::size_t slot) {
    try {
      const int rank = static_cast<int>(slot) % num_ranks;
      if (rank > 0) {
        RankSlot there(*ranks, rank, static_cast<int>(slot) / num_ranks, num_here, options_.device);
        return train(
            [&](Member& member, ProgressSink& sink) { member.run_at(there, until, sink); });
      }
      ThreadPool pool(std::max(1, options_.num_threads / num_here));
      OpenDevice device(options_.device, options_.precision, pool, num_here);
      device.meet(plans);
      {
        // the first measures, the others read what it found
        const std::lock_guard<std::mutex> lock(measuring);
        choose_gemm(options_.config, make_env(options_.config.env)->spec(), device,
                    gemm_cache_path());
      }
      train([&](Member& member, ProgressSink& sink) { member.run(until, device, sink); });
    } catch (...) {
      // a full disk or a lost device would end the next member too
      errors[slot] = std::current_exception();
      request_stop();
    }
  };
  if (!todo.empty()) {
    std::vector<std::jthread> threads;
    try {
      for (int slot = 0; slot < num_slots; ++slot)
        threads.emplace_back(work, static_cast<std::size_t>(slot));
    } catch (const std::system_error& error) {
      const std::string text = fmt::format(
          "{} of {} learners run at a time, as the system starts no more threads: {}. Set a smaller "
          "population.concurrent, or raise the limit on processes (`ulimit -u`).",
          threads.size(), num_slots, error.code().message());
      if (threads.empty()) throw DeviceError(text);
      print_to(stderr, fmt::format("warning: {}\n", text));
    }
  }
  for (const std::exception_ptr& error : errors)
    if (error != nullptr) std::rethrow_exception(error);
  return !stop_requested();
}

void Population::copy(int from, int to) {
  if (from == to) return;
  Member& source = *members_.at(static_cast<std::size_t>(from));
  if (has_failed(from))
    throw DataError(fmt::format("{} has failed: there is nothing to copy.", source.label()));
  members_.at(static_cast<std::size_t>(to))->copy_from(source);
  failed_[static_cast<std::size_t>(to)] = 0;
}

}  // namespace mbrl

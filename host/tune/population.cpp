#include "host/tune/population.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <exception>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "cuda/device.h"
#include "cuda/gpu.h"
#include "host/algo/registry.h"
#include "host/bench/choose_gemm.h"
#include "host/run/signals.h"

namespace mbrl {
namespace {

constexpr int kLearnersPerGpu = 10;
constexpr std::size_t kMembersShown = 2;  // what 80 columns hold

// what the kernel would give out without swapping
std::size_t available_host_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (std::size_t kib = 0; file >> key >> kib; std::getline(file, unit))
    if (key == "MemAvailable:") return kib * 1024;
  return 0;
}

double gib(std::size_t bytes) { return static_cast<double>(bytes) / (1u << 30); }

}  // namespace

int concurrent_learners(const Config& config, const EnvSpec& env, const Device& device,
                        int num_threads) {
  const bool on_gpu = device.kind == Device::Kind::kCuda;
  const std::size_t each = find_algorithm(config.algorithm).memory(config, env, on_gpu);
  const std::size_t free = on_gpu ? gpu::info(device.index).free_bytes : available_host_memory();
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
                    "into the {:.1f} "
                    "GiB that are free on {}; {}ower loop.replay_capacity, rollout.batch_size or "
                    "rollout.retain_epochs.",
                    text, wanted, gib(each), gib(free), device_name(device),
                    fit > 0 ? fmt::format("{} do. Set population.concurrent={}, or l", fit, fit)
                            : "not even one does. L"));
  return wanted;
}

void run_population(const std::vector<Member>& members, const PopulationOptions& options,
                    const std::string& title) {
  const int num_slots = std::max(1, std::min(options.concurrent, static_cast<int>(members.size())));
  PopulationProgress progress(title, static_cast<int>(members.size()));
  std::atomic<std::size_t> next{0};
  std::mutex measuring, reporting;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(num_slots));

  const auto work = [&](std::size_t slot) {
    try {
      ThreadPool pool(std::max(1, options.num_threads / num_slots));
      OpenDevice device(options.device, options.precision, pool);
      {
        // the first measures, the others read what it found
        const std::lock_guard<std::mutex> lock(measuring);
        choose_gemm(options.config, make_env(options.config.env)->spec(), device,
                    gemm_cache_path());
      }
      for (;;) {
        const std::size_t i = next++;
        if (i >= members.size() || stop_requested()) return;
        const auto sink = progress.member(members[i].label);
        try {
          members[i].run(device, *sink);
        } catch (const DivergedError& error) {
          const std::lock_guard<std::mutex> lock(reporting);
          members[i].failed(error.what());
        }
      }
    } catch (...) {
      // what ends one member for another reason than its own training would end the next as well
      errors[slot] = std::current_exception();
      request_stop();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int slot = 0; slot < num_slots; ++slot)
      threads.emplace_back(work, static_cast<std::size_t>(slot));
  }
  for (const std::exception_ptr& error : errors)
    if (error != nullptr) std::rethrow_exception(error);
}

// ---------------------------------------------------------------------------------------------------

class PopulationProgress::Sink : public ProgressSink {
 public:
  Sink(PopulationProgress& all, const std::string& label) : all_(all), entry_{label, "", {}} {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    all_.entries_.push_back(&entry_);
  }
  ~Sink() override {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    std::erase(all_.entries_, &entry_);
    ++all_.num_done_;
    all_.show(true);
  }
  void set_stage(std::string_view stage) override {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    entry_.stage = stage;
    all_.show(false);
  }
  void update(const ProgressState& state) override {
    const std::lock_guard<std::mutex> lock(all_.mutex_);
    entry_.state = state;
    all_.show(false);
  }

 private:
  PopulationProgress& all_;
  Entry entry_;
};

PopulationProgress::PopulationProgress(std::string title, int num_members)
    : title_(std::move(title)), num_members_(num_members), line_(0.2, 30.0) {}

PopulationProgress::PopulationProgress(std::string title, int num_members, int file_descriptor,
                                       bool terminal, double interval_s)
    : title_(std::move(title)),
      num_members_(num_members),
      line_(file_descriptor, terminal, interval_s) {}

PopulationProgress::~PopulationProgress() { line_.clear(); }

std::unique_ptr<ProgressSink> PopulationProgress::member(const std::string& label) {
  return std::make_unique<Sink>(*this, label);
}

std::string PopulationProgress::text() const {
  std::string line = fmt::format("{} {}/{}", title_, num_done_, num_members_);
  const auto percent = [](const ProgressState& state) {
    return state.total_steps > 0 ? 100.0 * static_cast<double>(state.env_steps) /
                                       static_cast<double>(state.total_steps)
                                 : 0.0;
  };
  if (entries_.size() <= kMembersShown) {
    for (const Entry* e : entries_)
      line += fmt::format(
          " | {} {} {:.0f} % {}", e->label, e->stage, percent(e->state),
          std::isnan(e->state.last_return) ? "-" : fmt::format("{:.1f}", e->state.last_return));
    return line;
  }
  double first = HUGE_VAL, last = 0.0, worst = HUGE_VAL, best = -HUGE_VAL;
  for (const Entry* e : entries_) {
    first = std::min(first, percent(e->state));
    last = std::max(last, percent(e->state));
    // no episode has ended yet: NaN, which these leave out
    worst = std::fmin(worst, e->state.last_return);
    best = std::fmax(best, e->state.last_return);
  }
  line += fmt::format(" | {} run at {:.0f} to {:.0f} %", entries_.size(), first, last);
  if (worst <= best) line += fmt::format(", returns {:.1f} to {:.1f}", worst, best);
  return line;
}

// with the lock held
void PopulationProgress::show(bool now) {
  if (line_.is_due() || (now && line_.on_terminal())) line_.show(text());
}

}  // namespace mbrl

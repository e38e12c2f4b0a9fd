#include "host/bench/population_trial.h"

#include <deque>

namespace mbrl {
namespace {

struct SacTrial {
  SacTrial(Stream& stream, const Config& config, const EnvSpec& env, std::uint32_t index)
      : policy(env.observation_size, env.action_size, config.sac.hidden_sizes, stream.memory()),
        workspace(stream, policy, config.sac.batch_size, GemmProvider::kFused) {
    init_sac(policy, 1, index, 1.0f);
  }

  SacState policy;
  SacWorkspace workspace;
};

}  // namespace

PopulationTrial::PopulationTrial(const Config& config, const EnvSpec& env, const Stream& like,
                                 int num_learners, int num_slots)
    : config_(config),
      env_(env),
      kind_(like.on_gpu() ? Stream::Kind::kGpu : Stream::Kind::kCpu),
      precision_(like.precision()),
      use_graphs_(like.use_graphs()),
      num_learners_(num_learners),
      num_slots_(num_slots) {
  for (int slot = 0; slot < num_slots_; ++slot) threads_.emplace_back([this, slot] { work(slot); });
}

PopulationTrial::~PopulationTrial() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void PopulationTrial::work(int slot) {
  try {
    ThreadPool pool(1);
    Stream stream(pool, kind_);
    stream.set_precision(precision_);
    stream.set_use_graphs(use_graphs_);
    const TrialRecords records(stream, env_);
    std::deque<SacTrial> learners;
    for (int i = slot; i < num_learners_; i += num_slots_)
      learners.emplace_back(stream, config_, env_, static_cast<std::uint32_t>(i));
    std::vector<SacLosses> losses(static_cast<std::size_t>(updates_per_call()));
    const SacConstants constants{.batch_size = config_.sac.batch_size};
    const MixedSource source = records.source(config_);
    for (std::int64_t next = 1;; ++next) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return ending_ || round_ >= next; });
        if (ending_) return;
      }
      for (SacTrial& learner : learners)
        sac_update(stream, losses, learner.policy, source, constants, learner.workspace);
      stream.synchronize();
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++num_done_;
      }
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

void PopulationTrial::round() {
  std::unique_lock<std::mutex> lock(mutex_);
  num_done_ = 0;
  ++round_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return error_ != nullptr || num_done_ == num_slots_; });
  if (error_ != nullptr) std::rethrow_exception(error_);
}

Trial PopulationTrial::sac(double seconds) {
  return {measure([&] { round(); }, seconds),
          static_cast<double>(updates_per_call()) * num_learners_};
}

}  // namespace mbrl

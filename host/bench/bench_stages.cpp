#include "host/bench/bench_stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "envs/env.h"
#include "host/bench/env_trials.h"
#include "host/bench/plan_trial.h"
#include "host/bench/population_trial.h"
#include "host/bench/products.h"
#include "host/bench/stage_trials.h"
#include "kernels/cpu/bf16_weights.h"
#include "kernels/cpu/simd.h"
#include "kernels/gpu/product.h"

namespace mbrl {
namespace {

// products of a forward pass of one row
double forward_mac(const MlpLayout& layout) {
  double mac = 0.0;
  for (const LayerLayout& l : layout.layers) mac += static_cast<double>(l.in) * l.out;
  return mac;
}
double first_layer_mac(const MlpLayout& layout) {
  return static_cast<double>(layout.layers[0].in) * layout.layers[0].out;
}

// products of one SAC update per row: actor on s' and s, targets, critics with weight gradients,
// critics on (s, a_pi), of which the smaller one needs input gradients, actor backward
double sac_flop(const SacState& s, int batch) {
  const double pi = forward_mac(s.actor.layout), q = forward_mac(s.critics.layout);
  const double q_backward = 2.0 * q - first_layer_mac(s.critics.layout);
  const double pi_backward = 2.0 * pi - first_layer_mac(s.actor.layout);
  return 2.0 * batch * (2.0 * pi + pi_backward + 2.0 * (q + q + q_backward + q) + q);
}

double ensemble_flop(const EnsembleState& s, int batch) {
  const double member = forward_mac(s.layout);
  return 2.0 * batch * s.ensemble_size * (3.0 * member - first_layer_mac(s.layout));
}

// both networks: forward, weight gradients, input gradients after the first layer
double ppo_flop(const PpoState& s, int batch) {
  double mac = 0.0;
  for (const MlpLayout* layout : {&s.policy_layout, &s.value_layout})
    mac += 3.0 * forward_mac(*layout) - first_layer_mac(*layout);
  return 2.0 * batch * mac;
}

class StageBench {
 public:
  StageBench(Stream& stream, const Config& config, double seconds,
             const std::vector<std::string>& work, BenchReport& report)
      : stream_(stream),
        config_(config),
        spec_(make_env(config.env)->spec()),
        seconds_(seconds),
        work_(work),
        report_(report),
        trials_(config, spec_, stream) {}

  void run() {
    const std::vector<GemmProvider> providers =
        stream_.on_gpu() ? gpu_providers() : std::vector{GemmProvider::kFused};
    for (const GemmProvider provider : providers) {
      if (wants("sac"))
        for (const bool simultaneous : {false, true}) try_row([&] { sac(provider, simultaneous); });
      if (wants("ensemble")) try_row([&] { ensemble(provider); });
    }
    if (wants("population"))
      for (const int learners : {1, 10, 100}) population(learners);
    if (wants("rollout")) rollout();
    if (wants("plan")) {
      for (const PlanSizes& sizes : {halfcheetah_plan(), cartpole_plan()}) plan("plan", sizes);
      for (const int learners : {1, 10}) plan("plan population", halfcheetah_plan(), learners);
    }
    if (wants("ppo")) ppo();
    if (wants("env")) environments();
  }

 private:
  bool wants(const char* what) const {
    return work_.empty() || std::find(work_.begin(), work_.end(), what) != work_.end();
  }

  std::string name_of(GemmProvider provider) const {
    if (stream_.on_gpu()) return gpu::provider_name(provider);
    return multiplies_bf16(stream_) ? bf16_kernels().name : simd().name;
  }

  // a library that has no algorithm for its products says so and has no row
  template <typename F>
  static void try_row(F&& row) {
    try {
      row();
    } catch (const DeviceError& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
  }

  void sac(GemmProvider provider, bool simultaneous) {
    const SacState& state = trials_.sac_state();
    const int batch = config_.sac.batch_size;
    const Trial t = trials_.sac(simultaneous, provider, seconds_);
    report_.add(
        {simultaneous ? "sac simultaneous" : "sac sequential",
         fmt::format("S {} A {} batch {}", state.observation_size(), state.action_size(), batch),
         "updates/s", name_of(provider), t.time, t.units, t.units * sac_flop(state, batch), 0.0,
         t.units * (simultaneous ? 2 : 4)});
  }

  // learners of a population, as many at once as one would train
  void population(int num_learners) {
    constexpr int kAtOnceOnGpu = 10;
    const int at_once =
        std::min(num_learners, stream_.on_gpu() ? kAtOnceOnGpu : stream_.pool().num_threads());
    const Trial t = PopulationTrial(config_, spec_, stream_, num_learners, at_once).sac(seconds_);
    const SacState& state = trials_.sac_state();
    report_.add({"sac population",
                 fmt::format("{} learners, S {} A {} batch {}", num_learners,
                             state.observation_size(), state.action_size(), config_.sac.batch_size),
                 "updates/s", name_of(GemmProvider::kFused), t.time, t.units,
                 t.units * sac_flop(state, config_.sac.batch_size)});
  }

  void ensemble(GemmProvider provider) {
    const ModelConfig& m = config_.model;
    const Trial t = trials_.ensemble(provider, seconds_);
    report_.add({"ensemble step",
                 fmt::format("{} members, {} x {}, batch {}", m.ensemble_size, m.num_hidden_layers,
                             m.hidden_size, m.batch_size),
                 "steps/s", name_of(provider), t.time, t.units,
                 t.units * ensemble_flop(trials_.ensemble_state(), m.batch_size), 0.0,
                 2.0 * t.units});
  }

  void rollout() {
    const Trial t = trials_.rollout(seconds_);
    const SacState& policy = trials_.sac_state();
    const EnsembleState& model = trials_.ensemble_state();
    // a start state is read, a record written
    const double bytes_per_row = 4.0 * (policy.observation_size() + model.data.pitch());
    report_.add({"rollout", fmt::format("{} rows, 1 step", config_.rollout.batch_size), "states/s",
                 name_of(GemmProvider::kFused), t.time, t.units,
                 2.0 * t.units * (forward_mac(policy.actor.layout) + forward_mac(model.layout)),
                 t.units * bytes_per_row, 9.0});
  }

  // as published, whatever the config says; of several learners that plan in one call
  void plan(const char* operation, const PlanSizes& sizes, int num_learners = 0) {
    PlanTrial trial(sizes, stream_, std::max(num_learners, 1));
    const Trial t = trial.plan(seconds_);
    // kernels of a control step: three of an iteration, two around them
    const double launches = 3.0 * sizes.constants.iterations + 2.0;
    const std::string whose = num_learners > 0 ? fmt::format("{} learners, ", num_learners) : "";
    report_.add({operation, whose + sizes.text(), "control steps/s", name_of(GemmProvider::kFused),
                 t.time, t.units, t.units * trial.flop(), 0.0, stream_.on_gpu() ? launches : 0.0});
  }

  void ppo() {
    const Trial t = trials_.ppo(seconds_);
    const PpoState& state = trials_.ppo_state();
    const int batch = config_.ppo.batch_size;
    report_.add({"ppo",
                 fmt::format("S {} A {} batch {}", state.shape.observation_size,
                             state.shape.action_size, batch),
                 "updates/s", stream_.on_gpu() ? name_of(GemmProvider::kFused) : simd().name,
                 t.time, t.units, t.units * ppo_flop(state, batch), 0.0, 3.0 * t.units,
                 /*in_fp32=*/true});
  }

  void environments() {
    const int count = stream_.pool().num_threads();
    report_.add({"env step", fmt::format("{}, {} environments", config_.env.name, count),
                 "env steps/s", spec_.simulator,
                 time_pool(config_.env, count, stream_.pool(), seconds_),
                 static_cast<double>(count)});
  }

  Stream& stream_;
  const Config& config_;
  EnvSpec spec_;
  double seconds_;
  const std::vector<std::string>& work_;
  BenchReport& report_;
  StageTrials trials_;
};

}  // namespace

const std::vector<std::string>& bench_work() {
  static const std::vector<std::string> words{
      "products", "sac", "ensemble", "population", "rollout", "plan", "ppo", "env", "copy"};
  return words;
}

void bench_stages(Stream& stream, const Config& config, double seconds,
                  const std::vector<std::string>& work, BenchReport& report) {
  StageBench(stream, config, seconds, work, report).run();
}

}  // namespace mbrl

// mbrl_gpu bench: how fast the hot loops run here, each beside its floor from the GEMM peak that
// the same process measures.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "cuda/blas.h"
#include "cuda/device.h"
#include "cuda/stream.h"
#include "envs/pool.h"
#include "host/cli/cli.h"
#include "host/config/load.h"
#include "host/run/open_device.h"
#include "kernels/rollout.h"
#include "kernels/tile_mlp.h"

namespace mbrl {
namespace {

/// Median and quartiles of the time per call, seconds.
struct Timing {
  double median, low, high;
};

/// Calls f in batches of about 0.1 s until `seconds` are over, after one warm-up batch.
Timing measure(const std::function<void()>& f, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int calls) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) f();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  f();
  const double once = std::max(time(1), 1e-7);
  const int calls = std::clamp(static_cast<int>(0.1 / once), 1, 1000000);
  time(calls);
  std::vector<double> times;
  for (double total = 0.0; total < seconds || times.size() < 5;) {
    times.push_back(time(calls) / calls);
    total += times.back() * calls;
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() / 4], times[times.size() * 3 / 4]};
}

struct Row {
  std::string operation, shape, unit, provider;
  Timing time;
  double per_call;  // units of work per call
  double flop;      // per call; 0: no arithmetic floor
};

/// Prints rows as a table, or as one JSON object per line.
class Report {
 public:
  Report(bool json, int num_threads, std::string device, std::string precision)
      : json_(json),
        num_threads_(num_threads),
        device_(std::move(device)),
        precision_(std::move(precision)) {
    if (!json_)
      fmt::print("{:<22} {:<34} {:>12} {:<16} {:>9} {:>9} {:>9} {:>6}  {}\n", "operation", "shape",
                 "rate", "", "median", "q1", "q3", "floor", "provider");
  }

  void set_peak(double flops) { peak_ = flops; }

  void add(const Row& row) const {
    const double floor = row.flop > 0 ? row.flop / peak_ : 0.0;
    const double share = floor / row.time.median;
    if (json_) {
      nlohmann::ordered_json j{{"operation", row.operation},
                               {"shape", row.shape},
                               {"device", device_},
                               {"threads", num_threads_},
                               {"precision", precision_}};
      j["time_s"] = row.time.median;
      j["time_q1_s"] = row.time.low;
      j["time_q3_s"] = row.time.high;
      j["rate"] = row.per_call / row.time.median;
      j["unit"] = row.unit;
      if (floor > 0) {
        j["floor_s"] = floor;
        j["share_of_floor"] = share;
      }
      j["provider"] = row.provider;
      fmt::print("{}\n", j.dump());
    } else {
      fmt::print("{:<22} {:<34} {:>12.4g} {:<16} {:>9} {:>9} {:>9} {:>6}  {}\n", row.operation,
                 row.shape, row.per_call / row.time.median, row.unit, milliseconds(row.time.median),
                 milliseconds(row.time.low), milliseconds(row.time.high),
                 floor > 0 ? fmt::format("{:.0f} %", 100.0 * share) : "", row.provider);
    }
    std::fflush(stdout);
  }

 private:
  static std::string milliseconds(double s) { return fmt::format("{:.3f}ms", 1e3 * s); }

  bool json_;
  int num_threads_;
  std::string device_, precision_;
  double peak_ = 0.0;
};

double forward_mac(const MlpLayout& layout) {
  double mac = 0.0;
  for (const LayerLayout& l : layout.layers) mac += static_cast<double>(l.in) * l.out;
  return mac;
}
double first_layer_mac(const MlpLayout& layout) {
  return static_cast<double>(layout.layers[0].in) * layout.layers[0].out;
}

// products of one SAC update per row: actor on s' and s, targets, critics with weight gradients,
// critics on (s, a_pi) with input gradients, actor backward
double sac_flop(const SacState& s, int batch) {
  const double pi = forward_mac(s.actor_layout), q = forward_mac(s.critic_layout);
  const double q_backward = 2.0 * q - first_layer_mac(s.critic_layout);
  const double pi_backward = 2.0 * pi - first_layer_mac(s.actor_layout);
  return 2.0 * batch * (2.0 * pi + pi_backward + 2.0 * (q + q + q_backward + q + q));
}

double ensemble_flop(const EnsembleState& s, int batch) {
  const double member = forward_mac(s.layout);
  return 2.0 * batch * s.ensemble_size * (3.0 * member - first_layer_mac(s.layout));
}

// plausible transitions: states near upright rest, small changes
Buffer<float> random_transitions(const TransitionLayout& layout, int count) {
  Buffer<float> records(static_cast<std::size_t>(count) * layout.pitch(), 0.0f);
  const RandomKey key{1, Purpose::kInit, 0};
  for (int row = 0; row < count; ++row) {
    float* r = records.data() + static_cast<std::size_t>(row) * layout.pitch();
    const auto step = static_cast<std::uint64_t>(row);
    for (int i = 0; i < layout.observation_size; ++i) {
      r[i] = (i == 0 ? 1.2f : 0.0f) + 0.05f * normal(key, step, 0, i);
      r[layout.next_observation() + i] = r[i] + 0.01f * normal(key, step, 1, i);
    }
    for (int i = 0; i < layout.action_size; ++i)
      r[layout.action() + i] =
          2.0f * uniform01(key.bits(step, 2, static_cast<std::uint32_t>(i)).x) - 1.0f;
    r[layout.reward()] = 1.0f + 0.1f * normal(key, step, 3, 0);
  }
  return records;
}

class Bench {
 public:
  Bench(const Config& config, OpenDevice& device, double seconds, bool json)
      : config_(config),
        stream_(device.stream),
        pool_(device.stream.pool()),
        seconds_(seconds),
        report_(json, pool_.num_threads(), device_name(device.device), config.device.precision),
        provider_(stream_.on_gpu() ? "cuda" : simd().name) {}

  void run() {
    if (!stream_.on_gpu()) gemm();
    const auto env = make_env(config_.env);
    layout_ = {env->spec().observation_size, env->spec().action_size};
    task_ = env->spec().task;
    const Buffer<float> records = random_transitions(layout_, kRecords);
    records_ = Buffer<float>(records.size(), stream_.memory(), "benchmark records");
    from_host(records_, to_host(records));
    sac();
    model();
    environments();
  }

 private:
  static constexpr int kRecords = 20000;

  TransitionsView view() const { return {records_.data(), layout_, kRecords}; }

  // the peak: every thread multiplies its own 256 x 256 matrices, the size of the layers here
  void gemm() {
    const int threads = pool_.num_threads();
    constexpr int n = 256, repeats = 20;
    std::vector<Buffer<float>> a, b, c;
    for (int i = 0; i < threads; ++i) {
      a.emplace_back(n * n, 0.5f);
      b.emplace_back(n * n, 0.25f);
      c.emplace_back(n * n, 0.0f);
    }
    const Timing time = measure(
        [&] {
          pool_.parallel_for(threads, [&](int i) {
            for (int r = 0; r < repeats; ++r)
              mbrl::gemm(stream_, {c[i].data(), n, n}, {a[i].data(), n, n}, false,
                         {b[i].data(), n, n}, true);
          });
        },
        seconds_);
    const double flop = 2.0 * n * n * n * repeats * threads;
    report_.set_peak(flop / time.low);
    report_.add(
        {"gemm peak", "256x256x256 per thread", "GFLOP/s", "oneDNN", time, flop / 1e9, flop});

    // the same layer on tiles: what the fused stages are made of
    const MlpLayout layout = make_mlp_layout({n, n, n});
    Buffer<float> parameters(layout.size, 0.01f);
    std::vector<TileMlp> mlp;
    for (int i = 0; i < threads; ++i) mlp.emplace_back(layout, Activation::kRelu, 8, false);
    const Timing tile_time = measure(
        [&] {
          pool_.parallel_for(threads, [&](int i) {
            for (int r = 0; r < repeats / 2; ++r)
              for (int tile = 0; tile < 8; ++tile) mlp[i].forward(parameters.data(), tile);
          });
        },
        seconds_);
    report_.add({"dense + relu", "256x256x256 per thread", "GFLOP/s", simd().name, tile_time,
                 flop / 1e9, flop});
  }

  void sac() {
    for (const bool simultaneous : {false, true}) {
      SacState state(layout_.observation_size, layout_.action_size, config_.sac.hidden_sizes,
                     stream_.memory());
      init_sac(state, 1, 0, 1.0f);
      // as many updates per call as a training step makes
      std::vector<SacLosses> losses(static_cast<std::size_t>(config_.sac.updates_per_step));
      SacWorkspace workspace(stream_, state, config_.sac.batch_size);
      const MixedSource source{view(), view(),
                               static_cast<int>(config_.sac.batch_size * config_.loop.real_ratio)};
      SacConstants constants{.batch_size = config_.sac.batch_size, .simultaneous = simultaneous};
      const Timing time = measure(
          [&] { sac_update(stream_, losses, state, source, constants, workspace); }, seconds_);
      const auto updates = static_cast<double>(losses.size());
      report_.add({simultaneous ? "sac simultaneous" : "sac sequential",
                   fmt::format("S {} A {} batch {}", layout_.observation_size, layout_.action_size,
                               constants.batch_size),
                   "updates/s", provider_, time, updates,
                   updates * sac_flop(state, constants.batch_size)});
    }
  }

  void model() {
    const ModelConfig& m = config_.model;
    EnsembleState state(m.ensemble_size, layout_, m.hidden_size, m.num_hidden_layers,
                        stream_.memory());
    init_ensemble(state, 1, 0, m.init_max_logvar, m.init_min_logvar);
    EnsembleWorkspace workspace(stream_, state, m.batch_size);
    const EnsembleConstants constants{{m.learning_rate}, m.weight_decay, m.logvar_penalty};
    // an epoch of steps where a step alone would measure the wait for the device
    const int steps = stream_.on_gpu() ? 64 : 1;
    std::vector<std::uint32_t> indices(static_cast<std::size_t>(m.ensemble_size) * m.batch_size *
                                       steps);
    for (std::size_t i = 0; i < indices.size(); ++i)
      indices[i] = uniform_index(RandomKey{}.bits(0, static_cast<std::uint32_t>(i)).x, kRecords);
    Buffer<std::uint32_t> rows(indices.size(), stream_.memory(), "benchmark rows");
    from_host(rows, indices);
    const Timing step_time = measure(
        [&] {
          ensemble_epoch(stream_, state, view(),
                         {rows.data(), m.ensemble_size, steps * m.batch_size}, m.batch_size,
                         constants, workspace);
        },
        seconds_);
    const std::string shape =
        fmt::format("{} members, {} x {}", m.ensemble_size, m.num_hidden_layers, m.hidden_size);
    report_.add({"ensemble step", shape + fmt::format(", batch {}", m.batch_size), "steps/s",
                 provider_, step_time, static_cast<double>(steps),
                 steps * ensemble_flop(state, m.batch_size)});

    SacState policy(layout_.observation_size, layout_.action_size, config_.sac.hidden_sizes,
                    stream_.memory());
    init_sac(policy, 1, 0, 1.0f);
    state.elites.resize(static_cast<std::size_t>(m.num_elites));
    const int num_rows = config_.rollout.batch_size;
    RolloutWorkspace rollout_workspace(stream_, policy, state, num_rows);
    Buffer<float> ring(static_cast<std::size_t>(num_rows) * layout_.pitch(), stream_.memory(),
                       "benchmark ring");
    const RingView view_of_ring{ring.data(), static_cast<std::size_t>(num_rows), 0};
    RolloutConstants rollout_constants{.num_rows = num_rows, .length = 1, .task = task_};
    const Timing rollout_time = measure(
        [&] {
          ++rollout_constants.rollout_index;
          rollout(stream_, policy, state, view(), view_of_ring, rollout_constants,
                  rollout_workspace);
        },
        seconds_);
    report_.add({"rollout", fmt::format("{} rows, 1 step", num_rows), "states/s", provider_,
                 rollout_time, static_cast<double>(num_rows),
                 2.0 * num_rows * (forward_mac(policy.actor_layout) + forward_mac(state.layout))});
  }

  void environments() {
    EnvPool envs(config_.env, pool_.num_threads(), 1, pool_);
    envs.reset();
    std::vector<float> actions(static_cast<std::size_t>(envs.size()) * layout_.action_size);
    std::uint64_t step = 0;
    const Timing time = measure(
        [&] {
          for (std::size_t i = 0; i < actions.size(); ++i)
            actions[i] =
                2.0f * uniform01(RandomKey{}.bits(step, static_cast<std::uint32_t>(i)).x) - 1.0f;
          ++step;
          envs.step({actions.data(), envs.size(), layout_.action_size});
        },
        seconds_);
    report_.add({"env step", fmt::format("{}, {} environments", config_.env.name, envs.size()),
                 "env steps/s", envs.spec().simulator, time, static_cast<double>(envs.size()),
                 0.0});
  }

  Config config_;
  Stream& stream_;
  ThreadPool& pool_;
  double seconds_;
  Report report_;
  std::string provider_;
  TransitionLayout layout_;
  TaskId task_{};
  Buffer<float> records_;
};

}  // namespace

void add_bench(CLI::App& program) {
  struct Options {
    std::string name = "hopper";
    std::vector<std::string> overrides;
    std::string device = "auto";
    int num_threads = 0;
    double seconds = 2.0;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* bench = program.add_subcommand("bench", "Measure the hot loops at a config's sizes");
  bench->add_option("config", o->name, "sizes to measure")->capture_default_str();
  bench->add_option("overrides", o->overrides, "key=value ...");
  bench->add_option("--device", o->device, "auto, cpu or cuda:N")->capture_default_str();
  bench->add_option("--threads", o->num_threads, "host threads; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  bench->add_option("--seconds", o->seconds, "time for each row")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  bench->add_flag("--json", o->json, "one JSON object per line");
  bench->callback([o] {
    const Config config = resolve_config(o->name, o->overrides);
    ThreadPool pool(o->num_threads > 0 ? o->num_threads : available_cores());
    OpenDevice device(o->device, config.device, pool);
    if (!o->json) fmt::print("{}\n", device.description());
    Bench(config, device, o->seconds, o->json).run();
  });
}

}  // namespace mbrl

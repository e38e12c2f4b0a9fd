// mbrl_gpu bench: how fast the hot loops run here, each beside its floor from the peaks that the
// same process measures.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/rng.h"
#include "cuda/device.h"
#include "cuda/graph.h"
#include "envs/env.h"
#include "host/algo/resolve_config.h"
#include "host/bench/stage_trials.h"
#include "host/cli/cli.h"
#include "host/run/open_device.h"
#include "kernels/cpu/blas.h"
#include "kernels/cpu/tile_mlp.h"
#include "kernels/data/permutation.h"
#include "kernels/gpu/product.h"

namespace mbrl {
namespace {

struct Row {
  std::string operation, shape, unit, provider;
  Timing time;
  double per_call;      // units of work per call
  double flop = 0.0;    // per call
  double bytes = 0.0;   // that must move between memory and device, per call
  double launches = 0;  // in a row, per call
};

/// What the machine can do, measured in the same process. Zero: unknown.
struct Peaks {
  double flops = 0.0;           // per second, at the sizes of the layers
  double bytes = 0.0;           // per second, read plus written
  double seconds_launch = 0.0;  // from one node of a graph to the next

  /// The least time a row can take: arithmetic, memory or the chain of launches.
  double floor(const Row& row) const {
    double seconds = row.launches * seconds_launch;
    if (flops > 0.0) seconds = std::max(seconds, row.flop / flops);
    if (bytes > 0.0) seconds = std::max(seconds, row.bytes / bytes);
    return seconds;
  }
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

  Peaks& peaks() { return peaks_; }

  void add(const Row& row) const {
    const double floor = peaks_.floor(row);
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
  Peaks peaks_;
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
  const double pi = forward_mac(s.actor.layout), q = forward_mac(s.critics.layout);
  const double q_backward = 2.0 * q - first_layer_mac(s.critics.layout);
  const double pi_backward = 2.0 * pi - first_layer_mac(s.actor.layout);
  return 2.0 * batch * (2.0 * pi + pi_backward + 2.0 * (q + q + q_backward + q + q));
}

double ensemble_flop(const EnsembleState& s, int batch) {
  const double member = forward_mac(s.layout);
  return 2.0 * batch * s.ensemble_size * (3.0 * member - first_layer_mac(s.layout));
}

class Bench {
 public:
  Bench(const Config& config, OpenDevice& device, double seconds, bool json)
      : config_(config),
        stream_(device.stream),
        pool_(device.stream.pool()),
        seconds_(seconds),
        report_(json, pool_.num_threads(), device_name(device.device), config.device.precision),
        trials_(config_, make_env(config.env)->spec(), stream_) {}

  void run() {
    if (stream_.on_gpu()) {
      gpu_peaks();
      products();
    } else {
      cpu_peak();
    }
    for (const GemmProvider provider : providers()) {
      sac(provider);
      ensemble(provider);
    }
    rollout();
    ppo();
    environments();
  }

 private:
  /// What can multiply on this device; on the CPU there is one.
  std::vector<GemmProvider> providers() const {
    if (!stream_.on_gpu()) return {GemmProvider::kFused};
    std::vector<GemmProvider> found;
    for (const GemmProvider provider : {GemmProvider::kFused, GemmProvider::kPlain,
                                        GemmProvider::kCublasLt, GemmProvider::kCudnn})
      if (gpu::provider_missing(provider).empty()) found.push_back(provider);
    return found;
  }
  std::string name_of(GemmProvider provider) const {
    return stream_.on_gpu() ? gpu::provider_name(provider) : simd().name;
  }

  // the peak: every thread multiplies its own 256 x 256 matrices, the size of the layers here
  void cpu_peak() {
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
    report_.peaks().flops = flop / time.low;
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

  /// Time of `repeats` equal pieces of device work in one graph, after one run outside of it.
  template <typename Issue>
  Timing time_in_graph(int repeats, Issue&& issue) {
    issue();  // libraries load code at the first use, which recording forbids
    stream_.synchronize();
    Graph graph;
    return measure(
        [&] {
          graph.run(stream_, [&] {
            for (int i = 0; i < repeats; ++i) issue();
          });
          stream_.synchronize();
        },
        seconds_);
  }

  // chain of launches, memory, and the largest products any provider multiplies
  void gpu_peaks() {
    constexpr int kNodes = 1000;
    Buffer<std::uint32_t> one(2, 0, Memory::kDevice, "benchmark");
    const Timing chain = time_in_graph(kNodes, [&] {
      draw_rows(stream_, {one.data(), 1, 1}, {one.data() + 1, 1}, RandomKey{}, 0);
    });
    report_.add({"launch", "one thread, in a graph", "launches/s", "cuda", chain, kNodes});
    report_.peaks().seconds_launch = chain.low / kNodes;

    constexpr std::size_t kFloats = std::size_t{64} << 20;
    const Buffer<float> from(kFloats, 0.0f, Memory::kDevice, "benchmark copy");
    Buffer<float> to(kFloats, 0.0f, Memory::kDevice, "benchmark copy");
    constexpr int kCopies = 16;  // the wait for their end counts a sixteenth
    const Timing copy_time =
        time_in_graph(kCopies, [&] { copy(stream_, to.data(), from.data(), kFloats); });
    const double bytes = 2.0 * kCopies * kFloats * sizeof(float);
    report_.add({"copy", "256 MiB", "GB/s", "cuda", copy_time, bytes / 1e9});
    report_.peaks().bytes = bytes / copy_time.low;

    double best = 0.0;
    for (const GemmProvider provider : product_providers())
      if (const auto time = product(provider, {4096, 4096, 4096}, 1))
        best = std::max(best, 2.0 * 4096 * 4096 * 4096 / time->low);
    report_.peaks().flops = best;
  }

  /// The fused kernels multiply like the plain one where a product stands alone.
  std::vector<GemmProvider> product_providers() const {
    std::vector<GemmProvider> found = providers();
    std::erase(found, GemmProvider::kFused);
    return found;
  }

  /// Values in [-1, 1): matrix units that multiply zeros or constants draw less power and run
  /// faster.
  static Buffer<float> random_operand(std::size_t size, std::uint32_t seed) {
    const RandomKey key{seed};
    std::vector<float> values(size);
    for (std::size_t i = 0; i < size; ++i) values[i] = 2.0f * uniform01(key.bits(i, 0).x) - 1.0f;
    Buffer<float> operand(size, Memory::kDevice, "benchmark product");
    from_host(operand, values);
    return operand;
  }

  /// A dense layer's forward product x W^T + b with relu; sizes of the batch, of its columns, of
  /// the sum.
  struct LayerShape {
    int rows, columns, depth, count = 1;
  };

  /// Prints a row per shape and provider; nothing if the provider has no algorithm for it.
  std::optional<Timing> product(GemmProvider provider, const LayerShape& s, int repeats) {
    const auto count = static_cast<std::size_t>(s.count);
    const auto x_size = static_cast<std::size_t>(s.rows) * s.depth;
    const auto w_size = static_cast<std::size_t>(s.columns) * s.depth;
    const auto y_size = static_cast<std::size_t>(s.rows) * s.columns;
    const Buffer<float> x = random_operand(count * x_size, 1);
    const Buffer<float> w = random_operand(count * w_size, 2);
    const Buffer<float> b = random_operand(count * s.columns, 3);
    Buffer<float> y(count * y_size, Memory::kDevice, "benchmark product");
    const gpu::Product p{.rows = s.rows,
                         .columns = s.columns,
                         .depth = s.depth,
                         .a = {x.data(), s.depth, x_size},
                         .b = {w.data(), s.depth, w_size, true},
                         .c = y.data(),
                         .c_pitch = s.columns,
                         .c_stride = y_size,
                         .count = s.count,
                         .bias = b.data(),
                         .bias_stride = static_cast<std::size_t>(s.columns),
                         .activation = Activation::kRelu};
    try {
      const Gemm gemm = provider;
      const Timing time = time_in_graph(repeats, [&] { gpu::multiply(stream_, gemm, p); });
      const double flop = 2.0 * repeats * static_cast<double>(count * y_size) * s.depth;
      const double bytes = 4.0 * repeats * static_cast<double>(count * (x_size + w_size + y_size));
      const std::string shape =
          fmt::format("{}{}x{}x{}", s.count > 1 ? fmt::format("{} x ", s.count) : "", s.rows,
                      s.columns, s.depth);
      // memory is no floor for what lies in the cache
      report_.add({"product + bias + relu", shape, "GFLOP/s", gpu::provider_name(provider), time,
                   flop / 1e9, flop, bytes > 256e6 ? bytes : 0.0, static_cast<double>(repeats)});
      return time;
    } catch (const DeviceError& error) {
      fmt::print(stderr, "{}\n", error.what());
      return std::nullopt;
    }
  }

  // the layers of SAC, of the ensemble and of a rollout, by every provider
  void products() {
    const auto& sac = config_.sac;
    const auto& model = config_.model;
    const int hidden = sac.hidden_sizes.back();
    for (const LayerShape& shape : {LayerShape{sac.batch_size, hidden, hidden},
                                    LayerShape{model.batch_size, model.hidden_size,
                                               padded(model.hidden_size), model.ensemble_size},
                                    LayerShape{config_.rollout.batch_size, hidden, hidden}})
      for (const GemmProvider provider : product_providers()) product(provider, shape, 20);
  }

  /// Runs a trial; a library that has no algorithm for its products says so and has no row.
  template <typename F>
  void try_trial(F&& trial) {
    try {
      trial();
    } catch (const DeviceError& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
  }

  void sac(GemmProvider provider) {
    const SacState& state = trials_.sac_state();
    for (const bool simultaneous : {false, true})
      try_trial([&] {
        const Trial t = trials_.sac(simultaneous, provider, seconds_);
        report_.add({simultaneous ? "sac simultaneous" : "sac sequential",
                     fmt::format("S {} A {} batch {}", state.observation_size(),
                                 state.action_size(), config_.sac.batch_size),
                     "updates/s", name_of(provider), t.time, t.units,
                     t.units * sac_flop(state, config_.sac.batch_size), 0.0,
                     t.units * (simultaneous ? 2 : 4)});
      });
  }

  void ensemble(GemmProvider provider) {
    const ModelConfig& m = config_.model;
    try_trial([&] {
      const Trial t = trials_.ensemble(provider, seconds_);
      report_.add({"ensemble step",
                   fmt::format("{} members, {} x {}, batch {}", m.ensemble_size,
                               m.num_hidden_layers, m.hidden_size, m.batch_size),
                   "steps/s", name_of(provider), t.time, t.units,
                   t.units * ensemble_flop(trials_.ensemble_state(), m.batch_size), 0.0,
                   2.0 * t.units});
    });
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

  void ppo() {
    const Trial t = trials_.ppo(seconds_);
    const PpoState& state = trials_.ppo_state();
    double mac = 0.0;  // both networks: forward, weight gradients, input gradients behind the first
    for (const MlpLayout* layout : {&state.policy_layout, &state.value_layout})
      mac += 3.0 * forward_mac(*layout) - first_layer_mac(*layout);
    const int batch = config_.ppo.batch_size;
    report_.add({"ppo",
                 fmt::format("S {} A {} batch {}", state.shape.observation_size,
                             state.shape.action_size, batch),
                 "updates/s", name_of(GemmProvider::kFused), t.time, t.units,
                 2.0 * t.units * batch * mac, 0.0, 3.0 * t.units});
  }

  void environments() {
    const int count = pool_.num_threads();
    report_.add({"env step", fmt::format("{}, {} environments", config_.env.name, count),
                 "env steps/s", make_env(config_.env)->spec().simulator,
                 time_pool(config_.env, count, pool_, seconds_), static_cast<double>(count)});
  }

  Config config_;
  Stream& stream_;
  ThreadPool& pool_;
  double seconds_;
  Report report_;
  StageTrials trials_;
};

/// What shows the throughput of a GPU: the format of its matrix units, and as many rollout rows as
/// fill each of its multiprocessors with 64 tiles.
const std::map<std::string, std::vector<std::string>> kPresets = {
    {"rtx2080ti", {"device.precision=fp16", "rollout.batch_size=278528"}},
    {"v100", {"device.precision=fp32", "rollout.batch_size=163840"}},
    {"a100", {"device.precision=tf32", "rollout.batch_size=442368"}},
    {"h100", {"device.precision=bf16", "rollout.batch_size=540672"}},
    {"h200", {"device.precision=bf16", "rollout.batch_size=540672"}}};

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, overrides] : kPresets) names.push_back(name);
  return names;
}

}  // namespace

void add_bench(CLI::App& program) {
  struct Options {
    std::string name = "hopper";
    std::vector<std::string> overrides;
    std::string device = "auto";
    std::string preset;
    int num_threads = 0;
    double seconds = 2.0;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* bench = program.add_subcommand("bench", "Measure the hot loops at a config's sizes");
  bench
      ->add_option("config", o->name,
                   "sizes to measure; envs: every environment beside its simulator")
      ->capture_default_str();
  bench->add_option("overrides", o->overrides, "key=value ...");
  bench->add_option("--device", o->device, "auto, cpu or cuda:N")->capture_default_str();
  bench
      ->add_option("--preset", o->preset, "precision and rollout rows that show a GPU's throughput")
      ->check(CLI::IsMember(preset_names()));
  bench->add_option("--threads", o->num_threads, "host threads; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  bench->add_option("--seconds", o->seconds, "time for each row")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  bench->add_flag("--json", o->json, "one JSON object per line");
  bench->callback([o] {
    if (o->name == "envs")
      return bench_envs(o->num_threads > 0 ? o->num_threads : available_cores(), o->seconds,
                        o->json);
    std::vector<std::string> overrides;
    if (!o->preset.empty()) overrides = kPresets.at(o->preset);
    overrides.insert(overrides.end(), o->overrides.begin(), o->overrides.end());  // these win
    const Config config = resolve_config(o->name, overrides);
    ThreadPool pool(o->num_threads > 0 ? o->num_threads : available_cores());
    OpenDevice device(o->device, config.device, pool);
    if (!o->json) fmt::print("{}\n", device.description());
    Bench(config, device, o->seconds, o->json).run();
  });
}

}  // namespace mbrl

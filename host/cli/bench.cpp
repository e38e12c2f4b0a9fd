// mbrl_gpu bench: how fast the hot loops run here, each beside its floor from the peaks that the
// same process measures.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/data_folders.h"
#include "base/error.h"
#include "cuda/device.h"
#include "host/algo/resolve_config.h"
#include "host/bench/bench_stages.h"
#include "host/bench/peaks.h"
#include "host/bench/products.h"
#include "host/bench/report.h"
#include "host/cli/cli.h"
#include "host/config/version.h"
#include "host/run/open_device.h"
#include "host/tune/study/copy_trial.h"

namespace mbrl {
namespace {

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

struct BenchOptions {
  std::string name = "hopper";
  std::vector<std::string> overrides;
  std::string device = "auto";
  std::string preset, peers;
  std::string command = "python3 -m mbrl_gpu.serve mbrl_gpu.point:Point";  // of bench process
  std::vector<std::string> work;  // of bench_work(); none: all of it
  int num_rounds = 3;
  int num_threads = 0;
  double seconds = 2.0;
  bool json = false;

  int threads() const { return num_threads > 0 ? num_threads : available_cores(); }
  bool wants(const char* what) const {
    return work.empty() || std::find(work.begin(), work.end(), what) != work.end();
  }
};

// what `bench` and `bench envs` share
void add_common_options(CLI::App& app, BenchOptions& o) {
  app.add_option("--threads", o.num_threads, "host threads; 0: all cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--seconds", o.seconds, "time for each row")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--json", o.json, "one JSON object per line");
}

void bench_loops(const BenchOptions& o) {
  std::vector<std::string> overrides;
  if (!o.preset.empty()) overrides = kPresets.at(o.preset);
  // "bench sac.batch_size=512": a change of the default config
  std::string name = o.name;
  std::error_code unknown;
  if (name.find('=') != std::string::npos && !std::filesystem::exists(name, unknown)) {
    overrides.push_back(name);
    name = BenchOptions().name;
  }
  overrides.insert(overrides.end(), o.overrides.begin(), o.overrides.end());  // these win
  const Config config = resolve_config(name, overrides);
  ThreadPool pool(o.threads());
  OpenDevice device(o.device, config.device, pool);
  if (!o.json) fmt::print("{}\n", device.description());

  Stream& stream = device.stream;
  BenchReport report(o.json, o.threads(), device_name(device.device), config.device.precision,
                     device.description());
  if (stream.on_gpu()) {
    measure_gpu_peaks(stream, o.seconds, report);
    if (o.wants("products")) bench_products(stream, config, o.seconds, report);
  } else {
    measure_cpu_peaks(stream, o.seconds, report);
  }
  bench_stages(stream, config, o.seconds, o.work, report);
  if (!stream.on_gpu() && o.wants("copy")) {
    const CopySizes sizes;
    report.add(
        {"member copy", sizes.text(), "copies/s", "links", CopyTrial(sizes).copy(o.seconds), 1.0});
  }
}

// becomes profiling/peers/side_by_side.py, which runs this program and its peers in turns
[[noreturn]] void compare_with_peers(const BenchOptions& o) {
  namespace fs = std::filesystem;
  if (!o.preset.empty())
    throw ConfigError(fmt::format(
        "bench --peers {}: --preset {} is of our rows alone. Give device.precision=... instead.",
        o.peers, o.preset));
  const std::vector<std::string> shared{"sac", "ensemble", "population", "rollout", "ppo"};
  for (const std::string& work : o.work)
    if (std::find(shared.begin(), shared.end(), work) == shared.end())
      throw ConfigError(fmt::format("bench --peers {}: no peer does {}; expected {}.", o.peers,
                                    work, fmt::join(shared, ", ")));
  const std::string key = "device.precision=";
  std::string precision = "fp32";
  std::vector<std::string> given{o.name};
  given.insert(given.end(), o.overrides.begin(), o.overrides.end());
  for (const std::string& text : given) {
    if (text.starts_with(key)) {
      precision = text.substr(key.size());
    } else if (text != BenchOptions().name) {
      throw ConfigError(fmt::format(
          "bench --peers {}: the peers do hopper's sizes; expected {}... or nothing.", text, key));
    }
  }
  if (precision != "fp32" && precision != "tf32" && precision != "bf16")
    throw ConfigError(
        fmt::format("bench --peers {}: the peers have fp32, tf32 and bf16; \"{}\" was asked for.",
                    o.peers, precision));
  const Device device = select_device(o.device);
  select_precision(precision, device);  // not minutes later, when the peers are built
  std::error_code unknown;
  const fs::path self = fs::read_symlink("/proc/self/exe", unknown);
  fs::path script;
  // beside the configs of the source tree, or where it was installed
  std::vector<fs::path> folders = data_folders();
  folders.insert(folders.begin(), fs::path(source_configs()).parent_path() / "profiling");
  for (const fs::path& folder : folders)
    if (script.empty() && fs::exists(folder / "peers/side_by_side.py", unknown))
      script = folder / "peers/side_by_side.py";
  if (script.empty())
    throw DataError(
        "bench --peers: peers/side_by_side.py is neither in the source tree's profiling/ nor in "
        "share/mbrl_gpu beside this program's folder.");
  std::vector<std::string> words{o.peers,       script.string(),
                                 "--mbrl",      self.string(),
                                 "--device",    device_name(device),
                                 "--threads",   std::to_string(o.threads()),
                                 "--rounds",    std::to_string(o.num_rounds),
                                 "--seconds",   fmt::format("{}", o.seconds),
                                 "--precision", precision};
  if (!o.work.empty()) {
    words.emplace_back("--work");
    words.emplace_back(fmt::format("{}", fmt::join(o.work, ",")));
  }
  if (o.json) words.emplace_back("--json");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  throw DataError(fmt::format(
      "bench --peers: {} cannot be started: {}. Give a Python that has torch, jax or one of the libraries.",
      o.peers, std::strerror(errno)));
}

}  // namespace

void add_bench(CLI::App& program) {
  const auto o = std::make_shared<BenchOptions>();
  CLI::App* bench = program.add_subcommand("bench", "Measure the hot loops at a config's sizes");
  bench->add_option("config", o->name, "sizes to measure")->capture_default_str();
  bench->add_option("overrides", o->overrides, "key=value ...");
  bench->add_option("--device", o->device, "auto, cpu or cuda:N")->capture_default_str();
  bench
      ->add_option("--preset", o->preset, "precision and rollout rows that show a GPU's throughput")
      ->check(CLI::IsMember(preset_names()));
  bench->add_option(
      "--peers", o->peers,
      "a Python with torch, jax, stable-baselines3, rltools or mbrl: the same loops by "
      "these in turns with ours, and the ratios");
  bench->add_option("--rounds", o->num_rounds, "turns of --peers")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench
      ->add_option(
          "--work", o->work,
          fmt::format("what to measure beside the peaks, with commas: {}; all if not given",
                      fmt::join(bench_work(), ", ")))
      ->delimiter(',')
      ->allow_extra_args(false)  // what follows are overrides
      ->check(CLI::IsMember(bench_work()));
  add_common_options(*bench, *o);
  CLI::App* envs =
      bench->add_subcommand("envs", "Measure every environment beside its simulator instead");
  envs->fallthrough();  // the other options of bench may follow it too
  add_common_options(*envs, *o);
  CLI::App* process = bench->add_subcommand(
      "process", "Measure environments of another process beside two processes that do nothing");
  process->fallthrough();
  process
      ->add_option("command", o->command,
                   "what serves them, as env.command; usually a trivial one in Python")
      ->default_str("");
  add_common_options(*process, *o);
  bench->callback([o, envs, process, bench] {
    for (const CLI::App* other : {envs, process})
      for (const char* option : {"--work", "--peers", "--preset"})
        if (other->parsed() && bench->count(option) > 0)
          throw ConfigError(
              fmt::format("bench {}: {} is of the hot loops, which `mbrl_gpu bench` "
                          "without \"{}\" measures.",
                          other->get_name(), option, other->get_name()));
    if (process->parsed()) return bench_process(o->command, o->seconds, o->json);
    if (envs->parsed()) return bench_envs(o->threads(), o->seconds, o->json);
    if (!o->peers.empty()) compare_with_peers(*o);
    bench_loops(*o);
  });
}

}  // namespace mbrl

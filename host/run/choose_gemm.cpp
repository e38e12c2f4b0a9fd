#include "host/run/choose_gemm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cuda/gpu.h"
#include "host/algo/registry.h"
#include "host/bench/stage_trials.h"
#include "host/run/gemm_cache.h"
#include "kernels/gpu/product.h"

namespace mbrl {
namespace {

constexpr double kTrialSeconds = 0.5;

GemmProvider chosen_provider(const std::string& name) {
  if (const auto provider = provider_named(name)) return *provider;
  throw ConfigError(
      fmt::format("device.gemm is {}; expected hand, plain, cublaslt, cudnn or auto.", name));
}

// what a measurement is good for
std::string cache_key(const Config& config, const EnvSpec& env, int device, const char* stage) {
  const gpu::GpuInfo gpu = gpu::info(device);
  const auto version = [](GemmProvider provider, std::string (*f)()) {
    return gpu::provider_missing(provider).empty() ? f() : std::string("none");
  };
  return fmt::format(
      "{} of S {} A {}; policy {} x {}, {}; model {} x {} x {} x {}; {}; {}, CUDA {}; {}; {}",
      stage, env.observation_size, env.action_size, config.sac.hidden_sizes, config.sac.batch_size,
      config.sac.update_order, config.model.ensemble_size, config.model.num_hidden_layers,
      config.model.hidden_size, config.model.batch_size, config.device.precision, gpu.name,
      gpu.runtime_version, version(GemmProvider::kCublasLt, gpu::cublaslt::version),
      version(GemmProvider::kCudnn, gpu::cudnn::version));
}

enum class Stage { kSac, kEnsemble };

// the fastest provider of a stage; the times of all go into `answer`
GemmProvider fastest(const Config& config, const EnvSpec& env, Stream& stream, Stage stage,
                     nlohmann::json& answer) {
  GemmProvider best = GemmProvider::kFused;
  double best_time = 0.0;
  for (const GemmProvider provider :
       {GemmProvider::kFused, GemmProvider::kCublasLt, GemmProvider::kCudnn}) {
    const char* name = gpu::provider_name(provider);
    if (!gpu::provider_missing(provider).empty()) continue;
    try {
      StageTrials trials(config, env, stream);
      const Trial trial =
          stage == Stage::kSac
              ? trials.sac(config.sac.update_order == "simultaneous", provider, kTrialSeconds)
              : trials.ensemble(provider, kTrialSeconds);
      const double time = trial.time.median / trial.units;
      answer["seconds"][name] = time;
      if (provider != GemmProvider::kFused && time >= best_time) continue;
      best = provider;
      best_time = time;
    } catch (const DeviceError& error) {
      // a library without an algorithm for these products is no candidate
      if (provider == GemmProvider::kFused) throw;
      answer["refused"][name] = error.what();
    }
  }
  answer["provider"] = gpu::provider_name(best);
  return best;
}

}  // namespace

std::filesystem::path gemm_cache_path() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base = cache != nullptr && *cache != '\0' ? cache
                                     : home != nullptr ? std::filesystem::path(home) / ".cache"
                                                       : std::filesystem::temp_directory_path();
  return base / "mbrl_gpu" / "gemm.json";
}

std::string choose_gemm(const Config& config, const EnvSpec& env, OpenDevice& device,
                        const std::filesystem::path& cache) {
  const std::string& name = config.device.gemm;
  Stream& stream = device.stream;
  if (!stream.on_gpu()) {
    if (name != "hand" && name != "auto")
      throw DeviceError(fmt::format(
          "device.gemm is {}, but this run is on the CPU, which has its own products. Set "
          "device.gemm=hand, or use --device cuda:0 on a machine with a GPU.",
          name));
    return "";
  }
  const Algorithm& algorithm = find_algorithm(config.algorithm);
  const bool has_sac = reads_section(algorithm, "sac");
  if (!has_sac && !algorithm.needs_model) return "";  // has products of its own
  if (name != "auto") {
    const GemmProvider provider = chosen_provider(name);
    if (const std::string why = gpu::provider_missing(provider); !why.empty())
      throw DeviceError(fmt::format(
          "device.gemm is {}, but {}. Use device.gemm=hand, or auto for the fastest there is.",
          name, why));
    const Gemm gemm(provider);  // one library for both
    device.gemm = {gemm, gemm};
    return has_sac ? fmt::format("sac {0}, ensemble {0}", name) : "ensemble " + name;
  }

  GemmCache known(cache);
  const auto provider_of = [&](Stage stage, const char* stage_name) {
    const std::string key = cache_key(config, env, device.device.index, stage_name);
    if (const auto provider = known.find(key)) return *provider;
    auto answer = nlohmann::json::object();
    const GemmProvider provider = fastest(config, env, stream, stage, answer);
    known.remember(key, answer);
    return provider;
  };
  if (!has_sac) {
    const GemmProvider ensemble = provider_of(Stage::kEnsemble, "ensemble");
    device.gemm = {{}, Gemm(ensemble)};
    return fmt::format("ensemble {}", gpu::provider_name(ensemble));
  }
  const GemmProvider sac = provider_of(Stage::kSac, "sac");
  const GemmProvider ensemble =
      algorithm.needs_model ? provider_of(Stage::kEnsemble, "ensemble") : sac;
  const Gemm gemm(sac);
  device.gemm = {gemm, ensemble == sac ? gemm : Gemm(ensemble)};
  return fmt::format("sac {}, ensemble {}", gpu::provider_name(sac), gpu::provider_name(ensemble));
}

}  // namespace mbrl

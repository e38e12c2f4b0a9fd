// device.gemm: whose matrix products the stages use on the GPU.
#pragma once

#include <filesystem>
#include <string>

#include "envs/spec.h"
#include "host/config/config.h"
#include "host/run/open_device.h"

namespace mbrl {

/// Sets device.gemm as config.device.gemm says; auto times SAC and the
/// ensemble at the config's sizes with every provider there is, once per GPU, libraries, precision
/// and sizes, and remembers the answer in `cache`, a JSON file: a run that is repeated or resumed
/// on the same machine meets the same arithmetic.
///
/// Returns  what was set, such as "sac hand, ensemble cublaslt"; "" on the CPU.
/// Errors   DeviceError if a library was asked for that cannot be used here, or on the CPU. A cache
///          that cannot be read or written costs its measurements, nothing else.
/// Cost     auto, at the first time: some seconds.
std::string choose_gemm(const Config& config, const EnvSpec& env, OpenDevice& device,
                        const std::filesystem::path& cache);

/// $XDG_CACHE_HOME/mbrl_gpu/gemm.json, or the same under $HOME/.cache.
std::filesystem::path gemm_cache_path();

}  // namespace mbrl

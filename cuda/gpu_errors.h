// Texts of GPU errors: what was asked, what was found, the way out. Free of CUDA, so that tests
// read them on any machine.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace mbrl::gpu {

/// An allocation that did not fit: `name`, its size, what is free, what to lower.
DeviceError out_of_memory(const std::string& name, std::size_t bytes, std::size_t free_bytes,
                          std::size_t total_bytes, int device);

/// A call of the runtime that failed: the expression, the error's name and text, the kernel or
/// stage that ran, where in the source.
DeviceError call_failed(const std::string& expression, const std::string& error,
                        const std::string& running, const std::string& file, int line);

/// The program holds no code for this GPU. `built_for`: "75 80 90".
DeviceError unsupported_architecture(const std::string& gpu, int capability,
                                     const std::string& built_for);

/// Why no GPU can be used, for doctor and --device cuda. Versions as 1000 major + 10 minor, as the
/// runtime gives them; 0 where there is no driver.
std::string driver_too_old(int driver_version, int runtime_version);

/// A kernel that needs more shared memory than the device has for one block.
DeviceError too_little_shared_memory(const std::string& kernel, std::size_t bytes,
                                     std::size_t available);

/// "1.1 GiB", "3.2 MiB", "12 B".
std::string byte_text(std::size_t bytes);

}  // namespace mbrl::gpu

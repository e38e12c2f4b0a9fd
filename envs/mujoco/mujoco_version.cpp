#include "envs/mujoco/mujoco_version.h"

#include <mujoco/mujoco.h>

#include "base/error.h"

namespace mbrl {

std::string mujoco_name() { return std::string("MuJoCo ") + mj_versionString(); }

std::string mujoco_version_text(int number) {
  const bool is_long = number >= 1'000'000;
  const int width = is_long ? 1000 : 10;
  return std::to_string(number / width / width) + "." + std::to_string(number / width % width) +
         "." + std::to_string(number % width);
}

std::string mujoco_fault(int header, int library) {
  const std::string found = "MuJoCo " + mujoco_version_text(library);
  if (library == 4'000'000)
    return found +
           " computes wrong constraint forces (google-deepmind/mujoco issue 3767). Build "
           "with 4.0.1 or later: cmake --preset cpu -U 'MuJoCo_*'.";
  if (header != library)
    return "the program was compiled for MuJoCo " + mujoco_version_text(header) +
           " and finds the library of " + found +
           ". Give it the library that it was built with (LD_LIBRARY_PATH may name another), or "
           "build again.";
  return "";
}

std::string mujoco_fault() { return mujoco_fault(mjVERSION_HEADER, mj_version()); }

void require_mujoco() {
  if (const std::string fault = mujoco_fault(); !fault.empty()) throw DataError(fault);
}

bool sums_margins(int version) { return version >= 3'005'000; }

}  // namespace mbrl

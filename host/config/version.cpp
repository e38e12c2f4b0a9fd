#include "host/config/version.h"

// written by cmake/write_version.cmake; a build of these sources by other means goes without
#if __has_include("mbrl_version.h")
#include "mbrl_version.h"
#endif
#ifndef MBRL_VERSION
#define MBRL_VERSION "unknown"
#endif
#ifndef MBRL_GIT_COMMIT
#define MBRL_GIT_COMMIT "unknown"
#endif

namespace mbrl {

std::string program_version() { return MBRL_VERSION; }

std::string git_commit() { return MBRL_GIT_COMMIT; }

std::string compiler() {
#if defined(__clang__)
  std::string text = "Clang " __clang_version__;
#else
  std::string text = "GCC " __VERSION__;
#endif
#ifdef NDEBUG
  return text + ", release";
#else
  return text + ", debug";
#endif
}

std::string source_configs() {
#ifdef MBRL_CONFIG_DIR
  return MBRL_CONFIG_DIR;
#else
  return "";
#endif
}

}  // namespace mbrl

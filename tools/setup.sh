# Sourced by tools/run and tools/test: installs what is missing, configures and builds.
#
# build_target PRESET NAME... builds targets of a Release preset in build/PRESET: cpu; cuda, which adds the
# GPU backend for all architectures; gpu, for the GPU of this machine alone. A second call finds
# everything done.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

packages_build="cmake g++ ninja-build git libdnnl-dev libmujoco-dev libbullet-dev libboost-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev"
packages_test="libgtest-dev libgmock-dev libboost-context-dev"

# install_packages NAME...: those that are missing; needs root, else says what to run
install_packages() {
  local missing="" name
  for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q "install ok installed" || missing="$missing $name"
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing. Run this line, then the same command again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 2
  fi
  echo "installing$missing" >&2
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
    >&2 || { echo "apt-get could not install$missing; its messages above say why." >&2; exit 2; }
}

# the CUDA compiler, in the PATH or where the toolkit installs it; empty if there is none
find_nvcc() { command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true; }

# build_target PRESET NAME...: tests, which need more packages, are part of `all` alone
build_target() {
  local preset=$1 tests=OFF
  shift
  if [ "$1" = all ]; then tests=ON; fi
  # configured, and with the tests if they are asked for
  if [ ! -f "build/$preset/build.ninja" ] ||
    { [ "$tests" = ON ] && ! grep -qi '^MBRL_TESTS:.*=ON$' "build/$preset/CMakeCache.txt"; }; then
    cmake --preset "$preset" -DMBRL_TESTS="$tests" >build-configure.log 2>&1 ||
      { cat build-configure.log >&2; rm -f build-configure.log; exit 2; }
    rm -f build-configure.log
  fi
  cmake --build "build/$preset" --target "$@" >&2 || exit 2
}

# Sourced by tools/run and tools/test: installs what is missing, configures and builds.
#
# build_target PRESET NAME... builds targets of a Release preset in build/PRESET: cpu; cuda, which adds the
# GPU backend for all architectures; gpu, for the GPU of this machine alone. A second call finds
# everything done. Where there is no apt-get, what is needed is told, in the words of the system.
#
# MBRL_OS_RELEASE: another file than /etc/os-release, for tests.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

packages_build="cmake g++ ninja-build git python3-pip libdnnl-dev libbullet-dev libboost-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev"
packages_test="libmujoco-dev libgtest-dev libgmock-dev libboost-context-dev libopenmpi-dev openmpi-bin libegl1 libegl-mesa0 libgl1-mesa-dri python3-numpy python3-pytest dpkg-dev file"

# os_name: "Fedora Linux 42"; os_family: the words that tell its package manager
os_name() { os_value PRETTY_NAME; }
os_family() { echo "$(os_value ID) $(os_value ID_LIKE)"; }
os_value() {
  local file=${MBRL_OS_RELEASE:-/etc/os-release}
  [ ! -r "$file" ] || sed -n "s/^$1=//p" "$file" | tr -d "\"'" | head -n 1
}

# the lines for a system's own packages; nothing where they are not known
other_packages() {
  local word
  for word in $(os_family); do
    case $word in
      fedora | rhel | centos)
        echo "  dnf install gcc-c++ cmake ninja-build git onednn-devel boost-devel cli11-devel json-devel spdlog-devel fmt-devel"
        return ;;
      arch)
        echo "  pacman -S --needed gcc cmake ninja git onednn bullet-dp boost cli11 nlohmann-json spdlog fmt"
        return ;;
      suse | opensuse*)
        echo "  zypper install gcc-c++ cmake ninja git onednn-devel libboost_headers-devel cli11-devel nlohmann_json-devel spdlog-devel fmt-devel"
        return ;;
      alpine)
        echo "  apk add g++ cmake samurai git onednn-dev boost-dev cli11-dev nlohmann-json spdlog-dev fmt-dev bash"
        return ;;
    esac
  done
  if command -v brew >/dev/null; then
    echo "  brew install gcc cmake ninja git onednn boost cli11 nlohmann-json spdlog fmt"
  fi
}

# tell_what_is_needed: for a system whose packages this script does not install
tell_what_is_needed() {
  local packages name
  packages=$(other_packages)
  name=$(os_name)
  if [ "$(uname -s)" != Linux ] || [ "$(uname -m)" != x86_64 ]; then
    echo "mbrl_gpu runs on Linux on x86-64 processors; this is $(uname -s) on $(uname -m)."
    return
  fi
  echo "Packages are installed with apt-get, which is not here${name:+ ($name)}. What is needed:"
  echo "  a C++20 compiler, CMake 3.25, Ninja, git, Python with pip; oneDNN, Bullet in double precision,"
  echo "  headers of Boost; CLI11, nlohmann-json, spdlog, fmt"
  if [ -n "$packages" ]; then
    echo "As root, as far as this release has them under these names:"
    echo "$packages"
  fi
  tell_without_root
}

# the ways that ask for no administrator; docs/install.md has more of them
tell_without_root() {
  echo "Without root, all of it from conda-forge (micromamba, mamba or conda):"
  echo "  micromamba create -y -p ~/mbrl -c conda-forge cxx-compiler cmake ninja git onednn libmujoco bullet-cpp libboost-headers cli11 nlohmann_json spdlog fmt"
  echo "  micromamba run -p ~/mbrl env CMAKE_PREFIX_PATH=\"\$HOME/mbrl\" $0 ..."
  echo "MuJoCo comes by itself where python3 has pip and a network; another one is given by MuJoCo_ROOT=<its folder>."
  echo "docs/install.md says more."
}

has_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# install_packages NAME...: those that are missing; needs root, else says what to run
install_packages() {
  local missing="" name
  if ! has_apt; then
    # libraries are looked for by CMake, which needs these
    for name in cmake ninja c++ git; do
      command -v "$name" >/dev/null || missing="$missing $name"
    done
    [ -z "$missing" ] && return 0
    echo "not found:$missing" >&2
    tell_what_is_needed >&2
    exit 2
  fi
  for name in "$@"; do
    # another MuJoCo is given
    [ "$name" = libmujoco-dev ] && [ -n "${MuJoCo_ROOT:-}" ] && continue
    [ "$name" = python3-pip ] && python3 -m pip --version >/dev/null 2>&1 && continue
    # others may be, too; what is not there, CMake will say
    [ -n "${CMAKE_PREFIX_PATH:-}" ] && [ "$(id -u)" -ne 0 ] && continue
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q "install ok installed" || missing="$missing $name"
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing. Run this line, then the same command again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    tell_without_root >&2
    exit 2
  fi
  echo "installing$missing" >&2
  # shellcheck disable=SC2086
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >&2; then
    echo "apt-get could not install$missing; its messages above say why." >&2
    tell_without_root >&2
    exit 2
  fi
}

# get_mujoco PRESET: the MuJoCo that CMake will take for a new build folder; Debian's package where it cannot be had
get_mujoco() {
  [ ! -f "build/$1/build.ninja" ] && [ -z "${MuJoCo_ROOT:-}${CMAKE_PREFIX_PATH:-}" ] || return 0
  tools/mujoco >/dev/null && return 0
  has_apt || return 0 # CMake looks for another, and says what it finds
  echo "Debian's libmujoco-dev is taken in its place." >&2
  install_packages libmujoco-dev
}

# the CUDA compiler, in the PATH or where the toolkit installs it; empty if there is none
find_nvcc() { command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true; }

# build_target PRESET NAME...: tests, which need more packages, are part of `all` alone; a folder that is
# configured anew gets $configure_options, one word
build_target() {
  local preset=$1 tests=OFF
  shift
  if [ "$1" = all ]; then tests=ON; fi
  get_mujoco "$preset"
  # configured, and with the tests if they are asked for
  if [ ! -f "build/$preset/build.ninja" ] ||
    { [ "$tests" = ON ] && ! grep -qi '^MBRL_TESTS:.*=ON$' "build/$preset/CMakeCache.txt"; }; then
    if ! cmake --preset "$preset" -DMBRL_TESTS="$tests" ${configure_options:+"$configure_options"} >build-configure.log 2>&1; then
      cat build-configure.log >&2
      rm -f build-configure.log
      has_apt || tell_what_is_needed >&2
      exit 2
    fi
    rm -f build-configure.log
  fi
  cmake --build "build/$preset" --target "$@" >&2 || exit 2
}

#!/usr/bin/env bash
# The tree as a part of another project, and without the packages of the tests: subproject_test.sh CMAKE.
# Configures alone; nothing is compiled but what CMake itself tries.
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd)
cmake=${1:-cmake}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fails=0
fail() { echo "$*"; fails=1; }
command -v ninja >/dev/null || { echo "skipped: no Ninja"; exit 77; }

mkdir "$work/parent"
cat >"$work/parent/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(parent LANGUAGES CXX)
enable_testing()
add_subdirectory("$tree" engine)
add_library(mine OBJECT mine.cpp)
target_link_libraries(mine PRIVATE mbrl::core)
EOF
echo '#include "base/rng.h"' >"$work/parent/mine.cpp"

# in another project: no tests, nothing to install, and the build type is that project's
"$cmake" -G Ninja -S "$work/parent" -B "$work/built" -DMBRL_CUDA=off >"$work/log" 2>&1 ||
  { cat "$work/log"; fail "a project that holds the tree cannot be configured"; }
targets=$(ninja -C "$work/built" -t targets all 2>/dev/null)
case $targets in *engine/mbrl_gpu:*) ;; *) fail "the project has no target mbrl_gpu" ;; esac
case $targets in *test_base* | *test_host*) fail "the project builds the tests" ;; esac
ls "$work"/built/engine/tests >/dev/null 2>&1 && fail "the project has the tests' folder"
grep -q '^CMAKE_BUILD_TYPE:[A-Z]*=.\+' "$work/built/CMakeCache.txt" && fail "the project's build type is set"
grep -q 'file(INSTALL' "$work"/built/engine/cmake_install.cmake && fail "the project installs what the tree installs"
# a file of its own sees the tree's headers, and none of its flags
ninja -C "$work/built" -t commands mine | grep -E -- '-march|-Wall|-ffp-contract|-fstack-protector' && fail "flags of the tree reach mine.cpp"
ninja -C "$work/built" mine >"$work/log" 2>&1 || { cat "$work/log"; fail "mine.cpp does not see base/rng.h"; }

# by itself, without GoogleTest: the program, and a word on the tests
(cd "$tree" && "$cmake" --preset cpu -B "$work/alone" -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON) >"$work/log" 2>&1 ||
  { cat "$work/log"; fail "the preset cpu needs GoogleTest"; }
grep -q 'Without tests' "$work/log" || fail "nobody says that the tests are left out"
targets=$(ninja -C "$work/alone" -t targets all 2>/dev/null)
case $targets in *mbrl_gpu:*) ;; *) fail "the preset has no target mbrl_gpu" ;; esac
case $targets in *test_base*) fail "tests are built without GoogleTest" ;; esac
# what asks for them needs them
(cd "$tree" && "$cmake" --preset cpu -B "$work/alone" -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON -DMBRL_TESTS=ON) \
  >"$work/log" 2>&1 && fail "MBRL_TESTS=ON goes without GoogleTest"
exit "$fails"

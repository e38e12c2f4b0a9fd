#!/usr/bin/env bash
# Which MuJoCo is found, refused and fetched, and what a run says of another one: mujoco_test.sh CMAKE PROGRAM
# OTHER_VERSION_LIBRARY|none [SECOND_PROGRAM]. The library, loaded first, says another version than the headers'; the second
# program is linked with another MuJoCo. No network is used.
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd)
cmake=$1 program=$2 other=$3 second=${4:-}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fails=0
fail() { echo "$*"; fails=1; }
says() { # says WHAT WORDS...: each of the words in $said
  local what=$1 word
  shift
  for word in "$@"; do
    case $said in *"$word"*) ;; *) fail "$what: does not say \"$word\":"; echo "$said" ;; esac
  done
}
command -v ninja >/dev/null || { echo "skipped: no Ninja"; exit 77; }
cd "$work" || exit 1

# --- where it is looked for: MuJoCos of the test's own ---
# fake FOLDER LIBRARY NUMBER HEADER_NUMBER: a library that says a number, and headers of one
fake() {
  mkdir -p "$1/include/mujoco" "$(dirname "$1/$2")"
  printf '#define mjVERSION_HEADER %s\nextern "C" int mj_version();\n' "$4" >"$1/include/mujoco/mujoco.h"
  printf 'extern "C" int mj_version() { return %s; }\n' "$3" | "${CXX:-c++}" -shared -fPIC -x c++ - \
    -Wl,-soname,"$(basename "$2")" -o "$1/$2"
}
fake release lib/libmujoco.so 3012000 3012000
fake unpacked/mujoco libmujoco.so.4.0.1 4000001 4000001
fake several libmujoco.so.3.3.7 337 4000001 && fake several libmujoco.so.4.0.1 4000001 4000001
fake renamed lib/libmujoco.so.4.0.1 3012000 4000001
fake wrong lib/libmujoco.so.4.0.0 4000000 4000000
mkdir -p headers_alone && cp -r release/include headers_alone/

mkdir project && cat >project/CMakeLists.txt <<EOF2
cmake_minimum_required(VERSION 3.25)
project(finds LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH "$tree/cmake")
find_package(MuJoCo REQUIRED)
message(STATUS "found \${MuJoCo_VERSION} \${MuJoCo_LIBRARY} \${MuJoCo_INCLUDE_DIR}")
EOF2
# find CODE OPTION...: configures the project, in a new folder unless `again`
find() {
  local code=$1
  shift
  [ "$1" = again ] && shift || rm -rf built
  said=$("$cmake" -S project -B built -G Ninja "$@" 2>&1 | tr '\n' ' ' | tr -s ' ')
  case $code-$said in
    0-*"Generating done"*) ;; 0-*) fail "find $*:"; echo "$said" ;;
    1-*"Generating done"*) fail "find $* goes"; echo "$said" ;;
  esac
}
find 0 "-DMuJoCo_ROOT=$work/release" && says release "found 3.12.0 $work/release/lib/libmujoco.so $work/release/include"
find 0 "-DMuJoCo_ROOT=$work/unpacked/mujoco" && says "the wheel" "found 4.0.1 $work/unpacked/mujoco/libmujoco.so.4.0.1"
find 0 "-DMuJoCo_ROOT=$work/unpacked" && says "the wheel's parent" "found 4.0.1 $work/unpacked/mujoco/libmujoco.so.4.0.1"
find 0 "-DMuJoCo_ROOT=$work/several" && says "several" "found 4.0.1 $work/several/libmujoco.so.4.0.1"
# another folder later, and the folder that is gone
find 0 again "-DMuJoCo_ROOT=$work/release" && says "another folder" "found 3.12.0 $work/release/lib/libmujoco.so"
# a library elsewhere is never taken in place of the one that is missing
find 1 "-DMuJoCo_ROOT=$work/headers_alone" && says "headers alone" "$work/headers_alone (MuJoCo_ROOT) holds no MuJoCo" "not taken in its place"
find 1 "-DMuJoCo_ROOT=$work/nowhere" && says "no folder" "$work/nowhere (MuJoCo_ROOT) holds no MuJoCo"
find 1 "-DMuJoCo_ROOT=$work/release" "-DMuJoCo_LIBRARY=$work/several/libmujoco.so.4.0.1" &&
  says "a library outside" "MuJoCo_LIBRARY is $work/several/libmujoco.so.4.0.1, which is not in it" "-U 'MuJoCo_*'"
# names of files may say anything
find 1 "-DMuJoCo_ROOT=$work/renamed" && says renamed "are of MuJoCo 4.0.1" "libmujoco.so.4.0.1 is 3.12.0"
find 1 "-DMuJoCo_ROOT=$work/wrong" && says 4.0.0 "is MuJoCo 4.0.0" "Take 4.0.1"

# --- what is fetched ---
mkdir -p clone/tools bin && cp "$tree/tools/mujoco" clone/tools/
version=$(clone/tools/mujoco --version)
stub() { printf '#!/bin/sh\n%s\n' "$2" >"bin/$1" && chmod +x "bin/$1"; }
fetch() { said=$(HOME=$work/home XDG_CACHE_HOME='' PATH="$work/bin:$PATH" clone/tools/mujoco 2>&1); }
stub python3 'case "$*" in *--version*) exit 1;; esac'
fetch && fail "it comes without pip"
says "no pip" "MuJoCo $version cannot be had: python3 has no pip"
stub python3 'case "$*" in *--version*) exit 0;; esac; echo "$*" >>"$HOME/../asked"; echo "ERROR: no network" >&2; exit 1'
mkdir -p home
fetch && fail "it comes without network"
says "no network" "MuJoCo $version cannot be had: pip: ERROR: no network"
grep -q -- '--require-hashes' asked || fail "pip is not told the checksum"
# another file than the one that is meant, from pip or in the cache
wheel=$(sed -n 's/^wheel=//p' clone/tools/mujoco | sed "s/\$version/$version/")
stub python3 "case \"\$*\" in *--version*) exit 0;; *download*) for d; do :; done; echo other >\"\$d/$wheel\";; esac"
fetch && fail "a file of another checksum is taken"
says "another file" "pip brought another file than $wheel"
[ -e "clone/build/mujoco-$version" ] && fail "something was unpacked"
mkdir -p home/.cache/mbrl_gpu && echo other >"home/.cache/mbrl_gpu/$wheel"
fetch && fail "a file of another checksum in the cache is taken"
[ -z "$(ls clone/build)" ] || fail "left behind: $(ls clone/build)"

# --- a program that finds another library than that of its headers ---
short="loop.num_env_steps=150 loop.num_exploration_steps=100 loop.min_replay_size=50 sac.hidden_sizes=[16,16] eval.interval=100 eval.num_episodes=1 checkpoint.interval=100"
# train PROGRAM WORD...
train() {
  local with=$1
  shift
  # shellcheck disable=SC2086
  said=$("$with" run sac_hopper env.name=inverted_pendulum $short --threads 1 "$@" 2>&1)
}
if [ "$other" != none ]; then
  LD_PRELOAD=$other train "$program" && fail "it trains with another library than it was compiled for"
  says "another library" "was compiled for MuJoCo" "finds the library of MuJoCo 3.99.0"
  said=$(LD_PRELOAD=$other "$program" doctor 2>&1) || fail "doctor ends with $?"
  says doctor "finds the library of MuJoCo 3.99.0"
fi
"$program" doctor | grep 'compiled for MuJoCo' && fail "doctor warns of the library that it was compiled for"

# --- a run that another MuJoCo began ---
if [ -n "$second" ]; then
  name() { "$1" doctor | sed -n 's/^MuJoCo  *//p'; }
  one=$(name "$second") two=$(name "$program")
  [ "$one" != "$two" ] || fail "both programs have MuJoCo $one"
  rm -rf runs
  train "$second" || { fail "the second program does not train"; echo "$said"; }
  began=$(dirname "$(ls -d runs/sac_hopper/*/seed-0/checkpoints)")
  train "$program" loop.num_env_steps=250 --resume "$began" && fail "a run goes on under another MuJoCo"
  says "another MuJoCo" "was trained on MuJoCo $one, this program has MuJoCo $two" "checkpoint.other_simulator=true"
  "$program" eval "$began" --episodes 1 >log 2>&1 || { fail "it cannot be evaluated"; cat log; }
  train "$second" loop.num_env_steps=200 --resume "$began" || { fail "the one that began it cannot go on"; echo "$said"; }
  train "$program" loop.num_env_steps=250 --resume "$began" checkpoint.other_simulator=true ||
    { fail "it does not go on when it is told"; echo "$said"; }
  says "told" "was trained on MuJoCo $one and goes on with MuJoCo $two"
  went=$(dirname "$(ls -d runs/sac_hopper/*/seed-0/checkpoints/step-000000250)")
  train "$program" loop.num_env_steps=300 --resume "$went" || { fail "its own checkpoint is refused"; echo "$said"; }
fi
exit "$fails"

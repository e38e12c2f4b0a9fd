#!/usr/bin/env bash
# The installed library, as another project uses it: library_test.sh CMAKE BUILD. Builds examples/ from an
# installed tree alone and trains with what they add.
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd)
cmake=$1 build=$2
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fails=0
fail() { echo "$*"; fails=1; }
command -v ninja >/dev/null || { echo "skipped: no Ninja"; exit 77; }

"$cmake" --install "$build" --prefix "$work/first" >"$work/log" 2>&1 || { cat "$work/log"; fail "cannot be installed"; }
# a package may be moved
mv "$work/first" "$work/usr"
cp -r "$tree/examples" "$work/examples"
"$cmake" -G Ninja -S "$work/examples" -B "$work/built" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/usr" \
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"$work/log" 2>&1 || { cat "$work/log"; fail "find_package(mbrl_gpu) fails"; }
grep -qF "$tree" "$work"/usr/lib*/cmake/mbrl_gpu/*.cmake && fail "the package names the tree that it was built from"
grep -E -- '-march|-Wall|-ffp-contract|-fstack-protector' "$work/built/compile_commands.json" &&
  fail "flags of the library reach its users"
"$cmake" --build "$work/built" >"$work/log" 2>&1 || { cat "$work/log"; fail "the examples do not compile"; }

cd "$work" || exit 1
# SHAPE PROGRAM WORD...: a run of few steps, and its end once more from its checkpoint
short="loop.num_env_steps=400 loop.num_exploration_steps=200 loop.min_replay_size=100 sac.hidden_sizes=[16,16] eval.interval=100 checkpoint.interval=100 checkpoint.keep=9"
train() {
  local program=$1
  shift
  # shellcheck disable=SC2086
  "built/$program" run "$@" $short --threads 1 >"$work/log" 2>&1 || { cat "$work/log"; fail "$program does not train"; }
}
train own_environment smoke env.name=mass model.hidden_size=16
grep -q '^env_steps,.*model_loss' runs/smoke/*/seed-0/metrics.csv || fail "no model was learned of the mass"
tables=$(cat runs/smoke/*/seed-0/metrics.csv)
rm -r runs/smoke/*/seed-0/checkpoints/step-000000400 && rm -f runs/smoke/*/seed-0/summary.json
train own_environment smoke env.name=mass model.hidden_size=16
without_clock() { cut -d, -f1,2,4-; }
[ "$(echo "$tables" | without_clock)" = "$(without_clock <runs/smoke/*/seed-0/metrics.csv)" ] ||
  fail "a run of the mass that was resumed is another"
built/own_environment envs | grep -q '^ *mass .*rest at 0' || { built/own_environment envs; fail "envs does not list the mass"; }

train own_algorithm sac_hopper algorithm=burst_sac env.name=pendulum
steps=$(ls -d runs/sac_hopper/*/seed-0/checkpoints/step-000000400) || fail "burst_sac keeps no checkpoint"
[ -n "$steps" ] && built/own_algorithm eval "$(dirname "$(dirname "$steps")")" >"$work/log" 2>&1 ||
  { cat "$work/log"; fail "burst_sac cannot be evaluated"; }
built/own_algorithm config show sac_hopper algorithm=burst_sac >/dev/null 2>"$work/log" || { cat "$work/log"; fail "config show"; }
# the program that was installed knows neither, and says what there is
usr/bin/mbrl_gpu run smoke env.name=mass >"$work/log" 2>&1 && fail "mbrl_gpu knows the mass"
grep -q 'no environment\|env.name' "$work/log" || { cat "$work/log"; fail "mbrl_gpu does not name env.name"; }
# one of its names is taken
cat >"$work/examples/own_environment.cpp" <<'EOF'
#include <cstdio>
#include "base/error.h"
#include "envs/env.h"
int main() {
  for (const char* name : {"hopper", "process", "My robot", ""}) try {
      mbrl::register_environment(name, nullptr);
      return 1;
    } catch (const mbrl::ConfigError& error) { std::puts(error.what()); }
}
EOF
"$cmake" --build "$work/built" --target own_environment >"$work/log" 2>&1 || { cat "$work/log"; fail "names.cpp does not compile"; }
built/own_environment >"$work/log" || fail "a name that is taken was registered"
[ "$(grep -c 'Choose another name\|Use small letters' "$work/log")" = 4 ] || { cat "$work/log"; fail "errors of names"; }
exit "$fails"

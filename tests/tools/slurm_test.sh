#!/usr/bin/env bash
# tools/slurm/*.sbatch under a Slurm of the test's own: slurm_test.sh PROGRAM.
set -u
program=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
fails=0
expect() { [ "$2" = "$3" ] || { echo "$1: $3 in place of $2"; cat ./*.log; fails=1; }; }

cat >brief.json <<'END'
{"extends": "smoke", "name": "brief",
 "loop": {"num_env_steps": 160, "num_exploration_steps": 100, "min_replay_size": 100},
 "eval": {"interval": 20, "num_episodes": 1}, "env": {"max_episode_steps": 20},
 "model": {"hidden_size": 8, "max_epochs": 2}, "rollout": {"batch_size": 50},
 "sac": {"hidden_sizes": [8, 8], "updates_per_step": 1, "batch_size": 32},
 "tune": {"space": {"sac.learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}}, "trials": 6}}
END
mkdir bin
stub() { printf '#!/bin/sh\n%s\n' "$2" >"bin/$1" && chmod +x "bin/$1"; }
stub scontrol 'echo "$@" >>requeued'
# a step that gets TERM, as at the end of its time, once a trial runs; `wait` tells the program's code
stub srun 'if [ -n "${FAKE_LIMIT:-}" ]; then
  "$@" & pid=$!
  while ! grep -q "\"op_code\":6" slow/journal.log 2>/dev/null; do sleep 0.05; done
  kill -TERM $pid; wait $pid
else exec "$@"; fi'
task() {  # task NUMBER ARGUMENTS...: one of an array
  local number=$1
  shift
  env PATH="$work/bin:$PATH" MBRL_GPU="$program" SLURM_JOB_ID=90 SLURM_ARRAY_JOB_ID=77 \
    SLURM_ARRAY_TASK_ID="$number" bash "$tree/tools/slurm/tune.sbatch" "$@" >"task-$number.log" 2>&1
}

# three tasks share a study, and each says how it ended
for i in 0 1 2; do task $i brief.json --threads 1 --study shared & done
for i in 1 2 3; do wait -n; expect "a task of three" 0 $?; done
expect "complete trials" 6 "$(grep -c '"state":1' shared/journal.log)"
expect "trials that began" 6 "$(grep -c '"state":0' shared/journal.log)"
[ ! -e requeued ] || { echo "requeued without need"; fails=1; }

# its time is up: stopped with a checkpoint, and put back into the queue
FAKE_LIMIT=1 task 3 brief.json loop.num_env_steps=100000 --threads 1 --study slow
expect "a task out of time" 130 $?
expect "what is requeued" "requeue 77_3" "$(cat requeued 2>/dev/null)"
[ -n "$(find slow -name 'step-*' -path '*checkpoints*')" ] || { echo "no checkpoint"; fails=1; }
# cancelled long before its end: stopped for good
rm -rf requeued slow
export SLURM_JOB_END_TIME=$(($(date +%s) + 36000))
FAKE_LIMIT=1 task 3 brief.json loop.num_env_steps=100000 --threads 1 --study slow
expect "a task that is cancelled" 130 $?
[ ! -e requeued ] || { echo "requeued though cancelled"; fails=1; }
unset SLURM_JOB_END_TIME

# what mpirun leaves behind is passed on; it hears of a stop by the signal that it passes on
stub mpirun 'trap "echo told >told; exit 130" USR2; touch begun; while :; do sleep 0.05; done'
env PATH="$work/bin:$PATH" SLURM_JOB_ID=90 bash "$tree/tools/slurm/ranks.sbatch" tune brief.json >ranks.log 2>&1 &
while [ ! -e begun ]; do sleep 0.05; done
kill -TERM $!
wait $!
expect "ranks out of time" 130 $?
expect "what mpirun heard" told "$(cat told 2>/dev/null)"
expect "what is requeued of ranks" "requeue 90" "$(cat requeued 2>/dev/null)"
rm -f requeued
stub mpirun 'exit 4'
env PATH="$work/bin:$PATH" SLURM_JOB_ID=90 bash "$tree/tools/slurm/ranks.sbatch" tune brief.json >ranks.log 2>&1
expect "ranks that fail" 4 $?
[ ! -e requeued ] || { echo "requeued though failed"; fails=1; }
for script in tune ranks; do
  bash "$tree/tools/slurm/$script.sbatch" >usage.log 2>&1
  expect "$script without arguments" 2 $?
done
exit $fails

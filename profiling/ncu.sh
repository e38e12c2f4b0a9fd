#!/bin/sh
# Roofline and memory sections of the kernels that take the most time, for Nsight Compute:
#   profiling/ncu.sh [CONFIG [key=value ...]]       default: hopper, in fp32
# Writes a report for each family: sac.ncu-rep, ensemble.ncu-rep, rollout.ncu-rep, plan.ncu-rep and
# ppo.ncu-rep. One call for each, since the count of launches that a call profiles would end among the first
# family's. Graphs are off, so that every kernel is seen by itself. The clocks stay as they are: a shared
# machine's are not ours to lock.
program=${MBRL_GPU:-build/gpu/mbrl_gpu}
[ -x "$program" ] || { echo "$program is missing: run tools/run once on this machine, or set MBRL_GPU." >&2; exit 2; }
command -v ncu >/dev/null || { echo "ncu is missing: it comes with the CUDA toolkit (Nsight Compute)." >&2; exit 2; }
[ $# -gt 0 ] || set -- hopper

# family REPORT KERNELS SKIP COUNT: COUNT launches of the kernels after SKIP of them, then the program is ended
family() {
  report=$1 kernels=$2 skip=$3 count=$4
  shift 4
  ncu --clock-control none --force-overwrite --export "$report" --set roofline --section SpeedOfLight \
    --section MemoryWorkloadAnalysis --section WarpStateStats --section SchedulerStats --section Occupancy \
    --kernel-name "regex:$kernels" --launch-skip "$skip" --launch-count "$count" --kill yes \
    "$program" bench "$@" device.graphs=false --device cuda --seconds 0.1
  [ -f "$report.ncu-rep" ] || { echo "ncu wrote no $report.ncu-rep" >&2; failed=1; }
}
failed=0
rm -f sac.ncu-rep ensemble.ncu-rep rollout.ncu-rep plan.ncu-rep ppo.ncu-rep
family sac 'sac_(critics|actor|update).*' 84 4 "$@"  # one update
family ensemble 'ensemble_(rows|update).*' 40 2 "$@"
family rollout 'rollout_(act|step).*' 4 2 "$@"
family plan 'plan_(rollout|update).*' 10 2 "$@"  # one iteration
family ppo 'ppo_(rows|gradients|adam).*' 42 3 "$@"
exit $failed

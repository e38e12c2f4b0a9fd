#!/bin/sh
# Roofline and memory sections of the kernels that take the most time, for Nsight Compute:
#   profiling/ncu.sh [CONFIG [key=value ...]]       default: hopper, in fp32
# Writes kernels.ncu-rep. Graphs are off, so that every kernel is seen by itself. The
# clocks stay as they are: a shared machine's are not ours to lock.
program=${MBRL_GPU:-build/gpu/mbrl_gpu}
[ -x "$program" ] || { echo "$program is missing: run tools/run once on this machine, or set MBRL_GPU." >&2; exit 2; }
command -v ncu >/dev/null || { echo "ncu is missing: it comes with the CUDA toolkit (Nsight Compute)." >&2; exit 2; }
[ $# -gt 0 ] || set -- hopper
exec ncu --clock-control none --force-overwrite --export kernels --set roofline --section SpeedOfLight --section MemoryWorkloadAnalysis \
  --section Occupancy --kernel-name 'regex:sac_.*|ensemble_.*|rollout_(act|step).*' --launch-skip 50 --launch-count 40 \
  "$program" bench "$@" device.graphs=false --device cuda --seconds 0.1

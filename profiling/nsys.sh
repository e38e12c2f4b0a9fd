#!/bin/sh
# A timeline of a training run with the stages as NVTX ranges, for Nsight Systems:
#   profiling/nsys.sh [CONFIG [key=value ...]]      default: hopper, 7000 env steps
# Writes timeline.nsys-rep and prints time per stage, kernel and API call.
program=${MBRL_GPU:-build/gpu/mbrl_gpu}
[ -x "$program" ] || { echo "$program is missing: run tools/run once on this machine, or set MBRL_GPU." >&2; exit 2; }
command -v nsys >/dev/null || { echo "nsys is missing: it comes with the CUDA toolkit (Nsight Systems)." >&2; exit 2; }
[ $# -gt 0 ] || set -- hopper loop.num_env_steps=7000
runs=$(mktemp -d)
nsys profile --force-overwrite true --output timeline --trace cuda,nvtx,osrt --cuda-graph-trace node \
  "$program" run "$@" --device cuda --resume never --runs "$runs"
status=$?
rm -rf "$runs"
nsys stats --report nvtx_sum --report cuda_gpu_kern_sum --report cuda_api_sum timeline.nsys-rep
exit $status

# What the program says of its own command line, to be installed: write_usage.sh PROGRAM FOLDER makes
# FOLDER/usage/{mbrl_gpu, _mbrl_gpu, mbrl_gpu.1}. A program that cannot run on this machine writes none of them.
program=$1 folder=$2/usage
rm -rf "$folder" && mkdir -p "$folder" || exit 1
if ! { "$program" completion bash >"$folder/mbrl_gpu" && "$program" completion zsh >"$folder/_mbrl_gpu" &&
  "$program" man >"$folder/mbrl_gpu.1"; }; then
  echo "mbrl_gpu does not run here: its completions and manual page are left out" >&2
  rm -rf "$folder"
fi

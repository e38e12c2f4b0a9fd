#!/usr/bin/env bash
# Packages of the program that was built: package_test.sh CPACK BUILD. Both kinds are made; what the .tar.gz
# holds runs without any library of the system's but the C library's.
set -u
cpack=$1 build=$2
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fails=0
fail() { echo "$*"; fails=1; }
for needed in dpkg-shlibdeps file; do
  command -v "$needed" >/dev/null || { echo "skipped: no $needed"; exit 77; }
done

"$cpack" --config "$build/CPackConfig.cmake" -G "DEB;TGZ" -B "$work" >"$work/log" 2>&1 || { cat "$work/log"; fail "cpack fails"; }
package=$(ls "$work"/mbrl-gpu_*_amd64.deb) || fail "there is no .deb"
archive=$(ls "$work"/mbrl-gpu-*.tar.gz) || fail "there is no .tar.gz"

held=$(dpkg-deb -c "$package" | awk '{print $6}')
for file in ./usr/bin/mbrl_gpu ./usr/share/mbrl_gpu/configs/hopper.json ./usr/share/mbrl_gpu/configs/mjcf_reacher.xml ./usr/share/mbrl_gpu/python/mbrl_gpu/serve.py; do
  grep -qxF "$file" <<<"$held" || fail "the .deb lacks $file"
done
grep -E '/include/|\.a$|/cmake/|lib/mbrl_gpu/[^/]' <<<"$held" | grep -v 'lib/mbrl_gpu/libmujoco' && fail "the .deb holds what is not the program's"
depends=$(dpkg-deb -f "$package" Depends)
# a MuJoCo that is no package is in this one, with its licenses; of another it has no licenses
own=$(grep -E '/lib/mbrl_gpu/libmujoco\.so\.[0-9.]+$' <<<"$held")
mujoco=libmujoco
if [ -n "$own" ]; then
  mujoco=libc6
  for file in LICENSE LICENSES_THIRD_PARTY.md; do
    grep -qxF "./usr/share/doc/mbrl_gpu/mujoco/$file" <<<"$held" || fail "the .deb carries MuJoCo without its $file"
  done
elif grep '/mujoco/' <<<"$held"; then
  fail "the .deb holds licenses of what it does not hold"
fi
for library in libc6 $mujoco libdnnl libbullet; do
  grep -q "$library" <<<"$depends" || fail "the .deb does not depend on $library: $depends"
done

mkdir "$work/unpacked" && tar -xzf "$archive" -C "$work/unpacked" || fail "the .tar.gz cannot be unpacked"
root=$(echo "$work"/unpacked/*)
[ -n "$(ls "$root"/share/doc/mbrl_gpu/mujoco/*)" ] || fail "the .tar.gz has no licenses of MuJoCo"
[ -x "$root/bin/mbrl_gpu" ] || { find "$work/unpacked" -maxdepth 3; fail "the .tar.gz has no program at its top"; }
grep -rlE 'find_package|#pragma once' "$root" && fail "the .tar.gz holds the library's headers"
# nothing comes from the system but the C library, and what an MPI library finds for itself: tools/package is without
ldd "$root/bin/mbrl_gpu" | grep '=>' | grep -vF "$root/" |
  grep -vE '(libc|libm|libdl|libpthread|librt|libresolv|libutil|libopen-rte|libopen-pal|libhwloc|libz|libevent[a-z_0-9.-]*|libudev)\.so' &&
  fail "these come from the system"
ldd "$root/bin/mbrl_gpu" | grep 'not found' && fail "these are not found"
cd "$work" || exit 1
env -i PATH=/nowhere "$root/bin/mbrl_gpu" run smoke loop.num_env_steps=300 loop.num_exploration_steps=200 loop.min_replay_size=200 \
  eval.interval=100 --threads 1 >"$work/log" 2>&1 || { cat "$work/log"; fail "it does not train"; }
exit "$fails"

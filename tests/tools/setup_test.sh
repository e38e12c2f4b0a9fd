#!/usr/bin/env bash
# What tools/run says on systems without apt-get, simulated by a PATH and an os-release of the test's own.
set -u
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fails=0

# a PATH with what any system has, and the tree's tools beside a build folder of their own
mkdir -p "$work/bin" "$work/tree/tools"
for name in bash sh dirname sed grep head tr cat rm env mkdir; do
  ln -s "$(command -v "$name")" "$work/bin/$name"
done
cp "$tree"/tools/run "$tree"/tools/setup.sh "$tree"/tools/mujoco "$work/tree/tools"
stub() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1" && chmod +x "$work/bin/$1"; }
stub id 'echo 1000'
stub uname 'case $1 in -s) echo Linux;; -m) echo x86_64;; esac'

# run_on OS-RELEASE-LINES: the exit code in $code, what was said in $said
run_on() {
  printf '%b' "$1" >"$work/os-release"
  said=$(cd "$work" && env -i PATH="$work/bin" HOME="$work" MBRL_OS_RELEASE="$work/os-release" \
    bash "$work/tree/tools/run" hopper.json 2>&1)
  code=$?
}
expect() {  # expect WHAT CODE WORDS...: the exit code and each of the words in what was said
  local what=$1 word
  [ "$code" -eq "$2" ] || { echo "$what: exit code $code in place of $2"; fails=1; }
  shift 2
  for word in "$@"; do
    case $said in *"$word"*) ;; *) echo "$what: does not say \"$word\":"; echo "$said"; fails=1 ;; esac
  done
}

# nothing is there
run_on 'NAME="Fedora Linux"\nID=fedora\nPRETTY_NAME="Fedora Linux 42"\n'
expect fedora 2 "not found: cmake ninja c++ git" "apt-get, which is not here (Fedora Linux 42)" \
  "dnf install gcc-c++ cmake ninja-build" "MuJoCo" "Bullet in double precision" "conda-forge" "docs/install.md"
run_on 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'
expect rocky 2 "dnf install"
run_on 'ID=arch\n'
expect arch 2 "pacman -S --needed gcc" "bullet-dp"
run_on "ID=manjaro\nID_LIKE='arch'\n"
expect manjaro 2 "pacman -S"
run_on 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n'
expect opensuse 2 "zypper install"
run_on 'ID=alpine\n'
expect alpine 2 "apk add"
# a system that nobody knows still gets the list and the way without root
run_on 'ID=haiku-like\nPRETTY_NAME=Unheard\n'
expect unknown 2 "(Unheard)" "oneDNN" "micromamba create"
case $said in *"As root"*) echo "unknown: names packages that are not known"; fails=1 ;; esac
stub brew :
run_on 'ID=haiku-like\n'
expect brew 2 "brew install"
rm "$work/bin/brew"
rm "$work/os-release"
run_on ''
expect "an empty os-release" 2 "micromamba create"

# the tools are there and a library is not: what CMake says, then what is needed
for name in ninja c++ git; do stub "$name" :; done
stub cmake 'echo "Could NOT find MuJoCo"; exit 1'
run_on 'ID=arch\n'
expect "no library" 2 "Could NOT find MuJoCo" "pacman -S" "another one is given by MuJoCo_ROOT"

# all is there: it builds and starts the program
stub cmake 'case $1 in --preset) mkdir -p build/cpu; echo ninja >build/cpu/build.ninja;; --build) printf "#!/bin/sh\necho trains \$*\n" >build/cpu/mbrl_gpu; /bin/chmod +x build/cpu/mbrl_gpu;; esac'
run_on 'ID=arch\n'
expect "all is there" 0 "trains run hopper.json"
rm -rf "$work/tree/build"

# another system or processor than the program is for
stub uname 'case $1 in -s) echo Darwin;; -m) echo arm64;; esac'
stub cmake 'exit 1'
run_on ''
expect macos 2 "runs on Linux on x86-64" "Darwin on arm64"

# with apt-get and without root: the one line, and the way without
stub uname 'case $1 in -s) echo Linux;; -m) echo x86_64;; esac'
stub apt-get 'exit 1'
stub dpkg-query 'case "$*" in *ninja-build*) exit 1;; esac; echo "install ok installed"'
run_on 'ID=debian\n'
expect debian 2 "sudo apt-get update && sudo apt-get install -y --no-install-recommends ninja-build" "Without root"
# as root it fails for a reason that apt-get tells
stub id 'echo 0'
run_on 'ID=debian\n'
expect "debian, root" 2 "apt-get could not install ninja-build" "Without root"
# the default MuJoCo cannot be had: Debian's, with the reason
stub dpkg-query 'case "$*" in *libmujoco-dev*) exit 1;; esac; echo "install ok installed"'
run_on 'ID=debian\n'
expect "debian without the wheel" 2 "cannot be had: there is no python3" "Debian's libmujoco-dev is taken in its place" \
  "installing libmujoco-dev"
# a MuJoCo that is given need not be a package, and none is fetched
stub dpkg-query 'case "$*" in *libmujoco-dev*) exit 1;; esac; echo "install ok installed"'
stub cmake 'echo configured; exit 1'
printf 'ID=debian\n' >"$work/os-release"
said=$(cd "$work" && env -i PATH="$work/bin" HOME="$work" MuJoCo_ROOT=/opt/mujoco MBRL_OS_RELEASE="$work/os-release" \
  bash "$work/tree/tools/run" hopper.json 2>&1)
code=$?
expect "given MuJoCo" 2 configured
case $said in *"cannot be had"*) echo "given MuJoCo: one is fetched"; fails=1 ;; esac
exit "$fails"

#!/usr/bin/env bash
# An archive of the tree, which has no repository, still says which commit it is of.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
git -C "$tree" rev-parse HEAD >/dev/null 2>&1 || { echo "skipped: this tree is no repository"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/tree"
git -C "$tree" archive HEAD cmake .gitattributes | tar -x -C "$folder/tree"
# a repository above it is another's
git -C "$folder" init -q
cmake -DSOURCE_DIR="$folder/tree" -DVERSION=1.2.3 -DOUTPUT="$folder/version.h" -P "$folder/tree/cmake/write_version.cmake"
commit=$(git -C "$tree" log -1 --format=%h HEAD)
grep -qx "#define MBRL_GIT_COMMIT \"$commit\"" "$folder/version.h" || { echo "expected $commit"; cat "$folder/version.h"; exit 1; }
# nor does that one's commit stand for a tree without any
echo '$Format:%h$' >"$folder/tree/cmake/archive_commit.txt"
cmake -DSOURCE_DIR="$folder/tree" -DVERSION=1.2.3 -DOUTPUT="$folder/version.h" -P "$folder/tree/cmake/write_version.cmake"
grep -qx '#define MBRL_GIT_COMMIT "unknown"' "$folder/version.h" || { cat "$folder/version.h"; exit 1; }

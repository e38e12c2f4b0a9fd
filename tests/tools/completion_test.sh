#!/usr/bin/env bash
# The completions as shells use them, and the manual page: completion_test.sh PROGRAM.
set -u
program=$(realpath "$1")
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$program" mbrl_gpu
PATH=$work:$PATH
mkdir -p runs/hopper/11111111/seed-0 && echo '{}' >runs/hopper/11111111/seed-0/config.json
mbrl_gpu completion bash >bash.sh && mbrl_gpu completion zsh >_mbrl_gpu && mbrl_gpu man >mbrl_gpu.1 || exit 1
fails=0
fail() { echo "$*"; fails=1; }

# bash: what COMPREPLY holds for a line that ends at the cursor; words are parted as readline parts them
in_bash() {
  bash --norc -c '
    . ./bash.sh
    complete -p mbrl_gpu >/dev/null || exit 1
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(mbrl_gpu) COMP_CWORD=1
    COMP_WORDBREAKS=$'"' \\t\\n\"\\'><=;|&(:'"'
    _mbrl_gpu
    echo "${COMPREPLY[*]}"' bash "$1"
}
expect_bash() { [ "$(in_bash "$1")" = "$2" ] || fail "bash: '$1' is completed by '$(in_bash "$1")' in place of '$2'"; }
expect_bash 'mbrl_gpu ev' 'eval'
expect_bash 'mbrl_gpu run hop' 'hopper hopper_bullet'
expect_bash 'mbrl_gpu run hopper sac.learning' 'sac.learning_rate='
# readline has kept what stands before the =
expect_bash 'mbrl_gpu run hopper env.name=swi' 'swimmer'
expect_bash 'mbrl_gpu run hopper --device=cu' 'cuda:0'
expect_bash 'mbrl_gpu run hopper --device cuda:' '0'
expect_bash 'mbrl_gpu eval ru' 'runs/'
expect_bash 'mbrl_gpu eval runs/hopper/' 'runs/hopper/11111111/'
expect_bash 'mbrl_gpu plot x.svg mine=runs/h' 'runs/hopper/'
expect_bash './mbrl_gpu config sch' 'schema'
expect_bash 'mbrl_gpu run no_such_thing' ''
case $(in_bash 'mbrl_gpu ') in *run*eval*list*) ;; *) fail "bash: no subcommands after a blank" ;; esac

# zsh: what compadd is given
if command -v zsh >/dev/null; then
  in_zsh() {
    zsh -f -c '
      compadd() { local -a named; while (( $# )); do case $1 in -a) named=("${(@P)2}"); shift;; -d|-S) shift;; esac; shift; done; print -r -- "$named"; }
      compdef() { :; }
      _files() { print -r -- files; }
      source ./_mbrl_gpu
      words=("$@") CURRENT=$#
      _mbrl_gpu' zsh "$@"
  }
  expect_zsh() {  # expect_zsh ANSWER WORDS...
    local answer=$1
    shift
    [ "$(in_zsh "$@")" = "$answer" ] || fail "zsh: '$*' is completed by '$(in_zsh "$@")' in place of '$answer'"
  }
  expect_zsh 'eval' mbrl_gpu ev
  expect_zsh 'hopper hopper_bullet' mbrl_gpu run hop
  expect_zsh 'sac.learning_rate=' mbrl_gpu run hopper sac.learning
  expect_zsh 'env.name=swimmer' mbrl_gpu run hopper env.name=swi
  expect_zsh 'runs/hopper/11111111/' mbrl_gpu eval runs/hopper/
  expect_zsh 'files' mbrl_gpu run no_such_thing
else
  echo "no zsh: its completion is not tried"
fi

# the manual page has all commands, and those who read roff find nothing wrong with it
for command in run eval list plot compare config envs doctor bench bound completion; do
  grep -q "^.SS \"$command\"" mbrl_gpu.1 || fail "man: no section $command"
done
if command -v groff >/dev/null; then
  said=$(groff -ww -man -Tutf8 mbrl_gpu.1 2>&1 >/dev/null)
  [ -z "$said" ] || fail "groff: $said"
else
  echo "no groff: the manual page is not set"
fi
if command -v mandoc >/dev/null; then
  said=$(mandoc -Tlint -Wwarning mbrl_gpu.1 2>&1)
  [ -z "$said" ] || fail "mandoc: $said"
else
  echo "no mandoc: the manual page is not linted"
fi
exit "$fails"

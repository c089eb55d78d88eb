# What the tests share: `load helpers/helpers` at the top of a .bats file gives each of its tests a folder and a
# database of its own, and ends whatever the test started. A file that needs more says so in a setup of its own,
# beginning with `common_setup`.
#
#   ROOT       the checkout
#   WORK       the test's folder, and where it starts out; holds its .env
#   database   the test's database on TEST_MONGODB_URI

# shellcheck shell=bash disable=SC2154 # status, output and stderr are set by bats' run

bats_require_minimum_version 1.7.0
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
started=() # labels

setup() { common_setup; }
teardown() { common_teardown; }

common_setup() {
  WORK=$BATS_TEST_TMPDIR/work
  database=${TEST_RUN:-test}_$BATS_SUITE_TEST_NUMBER
  unset MONGODB_ATLAS_URL DATABASE COLLECTION NUM_RECORDS_TO_GENERATE RESUME_TOKEN_FILE # they would beat the .env
  unset NO_COLOR CLICOLOR_FORCE JAVA_TOOL_OPTIONS # they change what is printed
  mkdir "$WORK" && cd "$WORK" || return
  cat >.env <<-ENV
	MONGODB_ATLAS_URL=${TEST_MONGODB_URI:-}
	DATABASE=$database
	COLLECTION=accounts
	NUM_RECORDS_TO_GENERATE=10
	ENV
}

common_teardown() {
  local label
  for label in ${started[@]+"${started[@]}"}; do
    stop "$label"
    [ -n "${BATS_TEST_COMPLETED:-}" ] || show "$WORK/$label.out" "$WORK/$label.err"
  done
}

## Scripts

# script insert --records 5        runs a script to its end: `run --separate-stderr script insert --records 5`
# limit=300 run script insert …    instead of 120 seconds (BATS_TEST_TIMEOUT is no help: with it, bats 1.13 sits out
#                                  the whole time after each test that fails)
script() { # NAME [ARGUMENT…]
  within "${limit:-120}" "$ROOT/test/jbang" run --quiet "$(path "$1")" "${@:2}"
}

within() { # SECONDS COMMAND [ARGUMENT…]
  if command -v timeout >/dev/null; then timeout "$@"; else perl -e 'alarm shift; exec @ARGV' "$@"; fi
}

path() { # NAME
  local folder
  for folder in "$ROOT" "$ROOT"/test "$ROOT"/test/tools "$ROOT"/test/scenarios; do
    [ ! -f "$folder/$1.java" ] || echo "$folder/$1.java"
  done
}

# start listener --fail-for 1      starts one in the background, its output in listener.out and listener.err of WORK
# start second=listener            the same, as second.out and second.err
start() { # [LABEL=]NAME [ARGUMENT…]
  start_command "${1%%=*}" "$ROOT/test/jbang" run --quiet "$(path "${1#*=}")" "${@:2}"
}

# start_command demo "$ROOT/test/demo"      the same for any command
start_command() { # LABEL COMMAND [ARGUMENT…]
  # Bash has background jobs ignore SIGINT, and a JVM that finds it ignored never hears of Ctrl-C.
  local heed=(env --default-signal=INT)
  "${heed[@]}" true 2>/dev/null || heed=(perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV')
  "${heed[@]}" "${@:2}" </dev/null >"$WORK/$1.out" 2>"$WORK/$1.err" 3>&- 4>&- &
  printf -v "pid_$1" %s $!
  started+=("$1")
}

signal() { # LABEL SIGNAL
  local pid=pid_$1
  kill -s "$2" "${!pid}"
}

running() { # LABEL
  signal "$1" 0 2>/dev/null
}

# Waits until it has ended, and sets status, output and stderr as `run --separate-stderr` does.
wait_exit() { # LABEL [SECONDS]
  local pid=pid_$1 deadline=$((SECONDS + ${2:-30}))
  while running "$1"; do
    ((SECONDS < deadline)) || fail "$1 was still running after ${2:-30} s" "$WORK/$1.out" "$WORK/$1.err" || return
    pause
  done
  status=0
  wait "${!pid}" || status=$?
  output=$([ -p "$WORK/$1.out" ] || cat "$WORK/$1.out") # a pipe had a reader of its own
  stderr=$(cat "$WORK/$1.err")
}

# Ends it, whatever it takes; fails if it took a KILL.
stop() { # LABEL [SECONDS]
  running "$1" || return 0
  signal "$1" TERM
  signal "$1" CONT 2>/dev/null || true # a test may have stopped it, or it has ended already
  wait_exit "$1" "${2:-10}" || {
    signal "$1" KILL
    return 1
  }
}

# wait_for listener.out '^Counter value:' 5      until that many lines match; fails by showing what is there instead
wait_for() { # FILE REGEX [COUNT] [SECONDS]
  local file=$1 count=${3:-1} deadline=$((SECONDS + ${4:-30})) label alive=yes
  [[ $file == /* ]] || file=$WORK/$file
  label=$(basename "${file%.*}")
  until (($(grep -cE -e "$2" "$file" 2>/dev/null || true) >= count)); do
    [ $alive = yes ] || fail "$label ended without $count × /$2/" "$WORK/$label.out" "$WORK/$label.err" || return
    ((SECONDS < deadline)) || fail "no $count × /$2/ within ${4:-30} s" "$file" || return
    # Who has ended may have written just before: one more look.
    [[ " ${started[*]-} " != *" $label "* ]] || running "$label" || alive=no
    pause
  done
}

pause() { sleep 0.1; } # between two looks: the only sleep of the suite

## The database

# mongo '{"ping": 1}' …            runs commands on the test's database: see command.java for what it prints
mongo() { # COMMAND…
  MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database script command "$@"
}

count() { # [FILTER]
  mongo "{\"count\": \"accounts\", \"query\": ${1:-{\}}}" | sed -E 's/.*"n": ([0-9]+).*/\1/'
}

# One JSON document a line.
documents() { # [FILTER] [PROJECTION]
  mongo "{\"find\": \"accounts\", \"filter\": ${1:-{\}}, \"projection\": ${2:-{\}}}"
}

insert_documents() { # DOCUMENT…
  local IFS=,
  mongo "{\"insert\": \"accounts\", \"documents\": [$*]}" >/dev/null
}

## A sandbox of the test's own, for what would disturb others

# own_sandbox --oplog-size 50      starts it: mongo, write and the .env mean this one from here on
own_sandbox() { # [OPTION…]
  start sandbox --port 0 "$@"
  wait_for sandbox.out '^ready$' 1 60
  TEST_MONGODB_URI=$(grep -o 'mongodb://[^ ]*' sandbox.out)
  sed -i.old "s|^MONGODB_ATLAS_URL=.*|MONGODB_ATLAS_URL=$TEST_MONGODB_URI|" .env
}

# needs 6      skips the test on a server older than MongoDB 6.0
needs() { # MAJOR VERSION
  local version
  version=$(mongo '{"buildInfo": 1}' | grep -oE '"version": "[0-9]+' | grep -oE '[0-9]+$')
  ((version >= $1)) || skip "needs MongoDB $1.0, this is a $version"
}

# fault '{"times": 1}' '"errorCode": 189' getMore aggregate      makes these commands fail so; `heal` ends it
fault() { # MODE HOW COMMAND…
  database=admin mongo "$(failing "$@")" >/dev/null
}

failing() { # MODE HOW COMMAND…: the command that makes them
  local commands
  printf -v commands '"%s",' "${@:3}"
  echo "{\"configureFailPoint\": \"failCommand\", \"mode\": $1, \"data\": {\"failCommands\": [${commands%,}], $2}}"
}

heal() {
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "off"}' >/dev/null
}

## Assertions. TEXT is $output unless given: `assert_match 'no such' "$stderr"`, `assert_line 'a b' "$(cat x.out)"`

assert_equal() { # ACTUAL EXPECTED
  [ "$1" = "$2" ] || fail "expected: $2"$'\n'"  actual: $1"
}

assert_status() { # CODE
  [ "$status" = "$1" ] || fail "expected exit code $1, got $status"$'\n'"$output"$'\n'"--- stderr:"$'\n'"${stderr-}"
}

assert_line() { # LINE [TEXT]
  grep -qxF -e "$1" <<<"${2-$output}" || fail "no line: $1"$'\n'"in:"$'\n'"${2-$output}"
}

refute_line() { # LINE [TEXT]
  ! grep -qxF -e "$1" <<<"${2-$output}" || fail "there is a line: $1"$'\n'"in:"$'\n'"${2-$output}"
}

assert_one_line() { # TEXT
  [ "$(grep -c . <<<"$1")" = 1 ] || fail "not one line, but: $1"
}

assert_match() { # REGEX [TEXT]
  grep -qE -e "$1" <<<"${2-$output}" || fail "nothing matches: $1"$'\n'"in:"$'\n'"${2-$output}"
}

refute_match() { # REGEX [TEXT]
  ! grep -qE -e "$1" <<<"${2-$output}" || fail "something matches: $1"$'\n'"in:"$'\n'"${2-$output}"
}

fail() { # MESSAGE [FILE…]
  {
    printf '%s\n' "$1"
    show "${@:2}"
  } >&2
  return 1
}

show() { # FILE…
  local file
  for file; do
    echo "--- ${file##*/}:"
    [ -p "$file" ] || tail -n 60 "$file"
  done
}

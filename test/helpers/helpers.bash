# What the tests share: `load helpers/helpers` at the top of a .bats file gives each of its tests a folder and a
# database of its own, and ends whatever the test started. A file that needs more says so in a setup of its own,
# beginning with `common_setup`.
#
#   ROOT       the checkout
#   WORK       the test's folder, and where it starts out; holds its .env
#   database   the test's database on TEST_MONGODB_URI

# shellcheck shell=bash disable=SC2154 # status, output and stderr are set by bats' run

bats_require_minimum_version 1.7.0
bats_load_library bats-support # test/run says where these are
bats_load_library bats-assert
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
started=() # labels

setup() { common_setup; }
teardown() { common_teardown; }

common_setup() {
  WORK=$BATS_TEST_TMPDIR/work
  database=${TEST_RUN:-test}_$BATS_SUITE_TEST_NUMBER
  # They would beat the .env.
  unset MONGODB_ATLAS_URL DATABASE COLLECTION NUM_RECORDS_TO_GENERATE RESUME_TOKEN_FILE
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
    [ -n "${BATS_TEST_COMPLETED:-}" ] || show "$label.out" "$label.err"
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

# Waits until it has ended, and is then what `run --separate-stderr` would have been.
wait_exit() { # LABEL [SECONDS]
  local pid=pid_$1 deadline=$((SECONDS + ${2:-60})) code=0
  while running "$1"; do
    ((SECONDS < deadline)) || fail "$1 was still running after ${2:-60} s$(show "$1.out" "$1.err")" || return
    pause
  done
  wait "${!pid}" || code=$?
  run --separate-stderr ended "$1" $code
}

ended() { # LABEL CODE
  [ -p "$WORK/$1.out" ] || cat "$WORK/$1.out" # a pipe had a reader of its own
  cat "$WORK/$1.err" >&2
  return "$2"
}

# Ends it, whatever it takes; fails if it took a KILL.
stop() { # LABEL [SECONDS]
  running "$1" || return 0
  signal "$1" TERM
  signal "$1" CONT 2>/dev/null || true # a test may have stopped it, or it has ended already
  wait_exit "$1" "${2:-30}" || {
    signal "$1" KILL
    return 1
  }
}

# wait_for listener.out '^Counter value:' 5      until that many lines match; fails by showing what is there instead
wait_for() { # FILE REGEX [COUNT] [SECONDS]
  local file=$1 count=${3:-1} deadline=$((SECONDS + ${4:-60})) label alive=yes
  [[ $file == /* ]] || file=$WORK/$file
  label=$(basename "${file%.*}")
  until (($(grep -cE -e "$2" "$file" 2>/dev/null || true) >= count)); do
    [ $alive = yes ] || fail "$label ended without $count × /$2/$(show "$label.out" "$label.err")" || return
    ((SECONDS < deadline)) || fail "no $count × /$2/ within ${4:-60} s$(show "$file")" || return
    # Who has ended may have written just before: one more look.
    [[ " ${started[*]-} " != *" $label "* ]] || running "$label" || alive=no
    pause
  done
}

# wait_until answered              until that command succeeds; fails by showing what it printed instead
wait_until() { # COMMAND…
  local deadline=$((SECONDS + 60)) said
  until said=$("$@"); do
    ((SECONDS < deadline)) || fail "not within 60 s: $*"$'\n'"$said" || return
    pause
  done
}

pause() { sleep 0.2; } # between two looks: the only sleep of the suite

## The database

# mongo '{"ping": 1}' …            runs commands on the test's database: see command.java for what it prints
mongo() { # COMMAND…
  local code
  {
    printf '%s\0' $# "$TEST_MONGODB_URI" "$database" "$@" >&8
    read -r -t 120 code <&8
    cat <&8
  } 8<>"/dev/tcp/127.0.0.1/$TEST_COMMANDS"
  return "${code:-1}"
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

# own_sandbox --oplog-size 50      starts it: mongo, write and the .env mean this one from here on; sets its port
own_sandbox() { # [OPTION…]
  start sandbox --port 0 "$@"
  wait_for sandbox.out '^ready$' 1 60
  TEST_MONGODB_URI=$(grep -o 'mongodb://[^ ]*' sandbox.out)
  port=$(sed -E 's,.*:([0-9]+)/.*,\1,' <<<"$TEST_MONGODB_URI")
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
  echo "{\"configureFailPoint\": \"failCommand\", \"mode\": $1," \
    "\"data\": {\"failCommands\": [${commands%,}], $2}}"
}

heal() {
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "off"}'
}

## What bats-assert has not

# All that it said on stderr is one line, and this matches.
assert_error() { # REGEX
  assert_equal "$stderr" "${stderr_lines[0]-}"
  assert_stderr_line --regexp "$1"
}

# script_fails 2 '--limit' insert --limit x      a script that must end with this code, and say such a line
script_fails() { # CODE REGEX NAME [ARGUMENT…]
  run --separate-stderr script "${@:3}"
  assert_failure "$1"
  assert_error "$2"
}

show() { # FILE…
  local file
  for file; do
    [[ $file == /* ]] || file=$WORK/$file
    printf '\n--- %s:\n' "${file##*/}"
    [ -p "$file" ] || tail -n 60 "$file"
  done
}

## A network that fails: see proxy.java for the orders

# through_proxy      from here on the .env means a proxy before the server; `order refuse`, `order accept`
through_proxy() {
  local uri=$TEST_MONGODB_URI port new
  port=$(sed -E 's,.*:([0-9]+)/.*,\1,' <<<"$uri")
  mkfifo orders
  start_command proxy bash -c 'exec "$@" <orders' _ \
    "$ROOT/test/jbang" run --quiet "$ROOT/test/tools/proxy.java" "$port"
  exec 7>orders
  wait_for proxy.out '^[0-9]+$' 1 60
  new=mongodb://127.0.0.1:$(cat proxy.out)/?directConnection=true
  sed -i.old "s|^MONGODB_ATLAS_URL=.*|MONGODB_ATLAS_URL=$new|" .env
}

order() { # ORDER: returns when it is done
  local done
  done=$(grep -c . proxy.out)
  echo "$1" >&7
  wait_for proxy.out . $((done + 1))
}

#!/usr/bin/env bats
# The demo in one command: what it shows, and what it leaves behind, which is nothing.

load helpers

setup() {
  common_setup
  export TMPDIR=$WORK/tmp DEMO_MARK=mark_of_$database # inherited by all that it starts
  mkdir "$TMPDIR"
}

# In a process group of its own, as from a terminal.
start_demo() { # [OPTION…]
  set -m
  start_command demo "$ROOT/test/demo" "$@"
  set +m
}

ctrl_c() { # goes to the whole group
  kill -s INT -- "-$pid_demo"
}

# The lines of one of those that took part, without its name in front.
said_by() { # NAME
  sed -nE "s/^$1 *\\| ?//p" <<<"$output"
}

assert_nothing_left() {
  local processes left deadline=$((SECONDS + 10))
  # What the demo has ended may take a moment to be gone. (ps shows the environment, its own too.)
  while processes=$(ps axeww) && left=$(grep -F "DEMO_MARK=$DEMO_MARK" <<<"$processes" | grep -v 'ps axeww'); do
    ((SECONDS < deadline)) || fail "still running: $left" || return
    pause
  done
  assert_equal "$(ls -A "$TMPDIR")" ''
}

@test "the demo shows inserts, deposits, deletes, a replacement, and a stream that fails and misses nothing" {
  start_demo
  wait_exit demo 180
  assert_status 0
  assert_equal "$stderr" ''
  assert_nothing_left
  # Before each step it says what to watch for.
  assert_equal "$(grep -E '^### |Watch ' <<<"$output" | sed -E 's/.*(Watch (for|the) [A-Za-z]+( EVENT)?).*/\1/')" '### Setting up
### The listener opens five change streams
### Inserts
Watch for INSERT EVENT
### Deposits
Watch for UPDATE EVENT
### Deletes
Watch for DELETE EVENT
### A replacement
Watch for REPLACE EVENT
### A stream that fails and resumes
Watch the counter
### Ctrl-C: the listener sums up
### Seen by the listener'
  # Both sides are told apart: each line that is not the demo's own has the name of its script in front.
  assert_equal "$(grep -vE '^(###|    |$)' <<<"$output" | sed -E 's/ *\|.*//' | sort -u | tr '\n' ' ')" \
    'delete insert listener replace reset resume_update sandbox update '
  local customers deposits deletes counters all=$output
  customers=$(said_by insert | grep -c '^Inserted record: ')
  deposits=$(said_by update | grep -c '^Added ')
  deletes=$(said_by delete | grep -c '^Successfully deleted')
  counters=$(said_by resume_update | grep -c '^Counter value: ')
  ((customers > 0 && deposits > 0 && deletes > 0 && counters > 5)) || fail "too little: $customers $deposits $deletes $counters"

  output=$(said_by listener)
  local inserts
  inserts=$(grep -c '^=== INSERT EVENT ===$' <<<"$output")
  ((inserts > 0 && inserts < customers)) || fail "$inserts of $customers inserts shown"
  assert_equal "$(grep -c '^=== UPDATE EVENT ===$' <<<"$output")" "$deposits"
  assert_equal "$(grep -c '^Checking Account Deposit$' <<<"$output")" "$deposits"
  assert_equal "$(grep -c '^=== DELETE EVENT ===$' <<<"$output")" "$deletes"
  assert_equal "$(grep -c '^=== REPLACE EVENT ===$' <<<"$output")" 1
  assert_equal "$(grep -c '^=== RESUME EXAMPLE ===$' <<<"$output")" "$counters"
  assert_match '^Simulate failure for [0-9]+ seconds'
  assert_match '^Restart Change Stream with resume token: '
  assert_equal "$(sed -n 's/^Counter value: //p' <<<"$output")" "$(seq "$counters")"
  assert_line "Resume stream closed, events seen: $counters, counters 1..$counters, 0 missed, 0 repeated"

  output=$(sed -n '/^### Seen/,$p' <<<"$all" | tr -s ' ')
  assert_line " INSERT $inserts events"
  assert_line " UPDATE $deposits events"
  assert_line " DELETE $deletes events"
  assert_line ' REPLACE 1 events'
  assert_match "^ RESUME $counters events, [1-9] failures survived$"
}

@test "Ctrl-C in the middle of a demo on one's own MongoDB ends all of it with 130, and drops its database" {
  start_demo --uri "$TEST_MONGODB_URI"
  wait_for demo.out '^listener .*=== INSERT EVENT ===$' 1 90
  ctrl_c
  wait_exit demo
  assert_status 130
  assert_nothing_left
  refute_match '^sandbox '
  local name
  name=$(sed -nE 's/^insert .*Database: //p' demo.out)
  assert_match '^change_stream_demo_[0-9]+$' "$name"
  refute_match "$name" "$(mongo '{"listDatabases": 1, "nameOnly": true}')"
}

@test "a demo that is told to end (TERM) ends all that it started, with 143" {
  start_demo
  wait_for demo.out '^listener .*listener thread started' 5 90
  signal demo TERM
  wait_exit demo
  assert_status 143
  assert_nothing_left
}

@test "a demo that is called wrongly starts nothing and says so, with 2" {
  run --separate-stderr "$ROOT/test/demo" --port 1
  assert_status 2
  assert_match '^demo: .*--port' "$stderr"
  assert_equal "$output" ''
  run --separate-stderr "$ROOT/test/demo" --uri
  assert_status 2
  assert_match '^demo: .*--uri' "$stderr"
  run --separate-stderr "$ROOT/test/demo" --help
  assert_status 0
  assert_match '--uri URI'
}

#!/usr/bin/env bats
# The demo in one command: what it shows, and what it leaves behind, which is nothing.

load lib/helpers

setup() {
  common_setup
  export TMPDIR="$WORK/a tmp" DEMO_MARK=mark_of_$database # inherited by all that it starts
  unset NO_COLOR TMUX
  mkdir "$TMPDIR"
}

# In a process group of its own, as from a terminal.
start_demo() { # [OPTION…]
  set -m
  start_command demo "$ROOT/test/demo" "$@"
  set +m
}

# As it looks to who sits before a terminal of 80 columns: see terminal.py.
on_terminal() { # TEXT COMMAND [ARGUMENT…]
  local python=/usr/bin/python3
  [ -x $python ] || python=python3
  TERM=xterm-256color within 180 "$python" "$ROOT/test/terminal.py" "$@"
}

plain() { tr -d '\r' <<<"$output" | sed $'s/\033\\[[0-9;]*m//g'; }

# A copy of the demo, in a folder with a blank in its name, whose scripts are played: nobody needs a JVM to see how the
# demo itself behaves. What the writers write goes through the file "heard" to the listener. With CLOSING set, that is
# how the listener sums up.
play() { # sets demo
  local folder="$WORK/a copy" file
  demo=$folder/test/demo
  mkdir -p "$folder/test" && cp "$ROOT/test/demo" "$folder/test"
  for file in "$ROOT"/*.java "$ROOT"/test/*.java; do : >"$folder${file#"$ROOT"}"; done
  export HEARD=$WORK/heard
  : >"$HEARD"
  cat >"$folder/test/jbang" <<-'JBANG'
	#!/usr/bin/env bash
	[ "$1" = run ] || exit 0
	event() { printf '=== %s ===\n%s\n\n' "$1" "$2" >>"$HEARD"; }
	case ${3##*/} in
	  sandbox.java) echo 'mongodb://127.0.0.1:1' && echo ready && exec sleep 1000 ;;
	  listener.java)
	    for _ in 1 2 3 4 5; do echo 'A listener thread started.'; done
	    tail -n +1 -f "$HEARD" &
	    trap 'kill $!; echo "Resume stream closed, events seen: 4, counters ${CLOSING:-1..4, 0 missed, 0 repeated}"; exit' TERM
	    wait ;;
	  insert.java) event 'INSERT EVENT' 'Checking Acct Balance: -1' ;;
	  update.java) echo 'Added $100 to customer acct with _id: 0123456789abcdef01234567, and more' && event 'UPDATE EVENT' ;;
	  delete.java) echo 'Successfully deleted' && event 'DELETE EVENT' ;;
	  replace.java) echo 'Replaced customer' && event 'REPLACE EVENT' '}' ;;
	  resume_update.java)
	    if grep -q 'Counter value: 3' "$HEARD"; then echo 'Counter value: 4' && exit; fi
	    for n in 1 2 3; do echo "Counter value: $n" && event 'RESUME EXAMPLE' "Counter value: $n"
	      [ $n != 2 ] || printf '%s\n' 'Simulate failure for 1 seconds...' 'Restart Change Stream with resume token: x' >>"$HEARD"
	    done ;;
	  command.java)
	    echo '{"n": 1}'
	    [[ $4 != *alwaysOn* ]] || echo 'Resume stream: waiting for MongoDB since 0 s (said once)' >>"$HEARD"
	    [[ $4 != *'"off"'* ]] || {
	      for name in Insert Update Delete Replace Resume; do echo "$name stream: MongoDB is back, going on" >>"$HEARD"; done
	      event 'RESUME EXAMPLE' 'Counter value: 4'
	    } ;;
	esac
	JBANG
  chmod +x "$folder/test/jbang"
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

@test "the demo shows inserts, deposits, deletes, a replacement, and streams that fail and miss nothing" {
  start_demo --speed 25
  wait_exit demo 180
  assert_status 0
  assert_equal "$stderr" ''
  assert_nothing_left
  # Before each step it says what to watch for.
  assert_equal "$(grep -E '^### |^  Watch ' <<<"$output" | sed -E 's/.*(Watch (for|the) [A-Za-z]+( EVENT)?).*/\1/')" \
    '### 1. A collection to watch
### 2. The listener opens five change streams
### 3. Inserts
Watch for INSERT EVENT
### 4. Deposits
Watch for UPDATE EVENT
### 5. Deletes
Watch for DELETE EVENT
### 6. A replacement
Watch for REPLACE EVENT
### 7. A stream that fails and resumes
Watch the counter
### 8. The network fails
Watch the counter
### 9. Ctrl-C: the listener sums up'
  # Both sides are told apart: each line that is not the demo's own has the name of its script in front.
  assert_equal "$(sed -nE '/^What the listener/q; s/^([a-z_]+) *\|.*/\1/p' <<<"$output" | sort -u | tr '\n' ' ')" \
    'delete insert listener replace reset resume_update sandbox update '
  assert_equal "$(grep -cE '^[a-z_]+ *\| ?Database: ' <<<"$output")" 1
  refute_match $'\033'
  local customers deposits deletes counters all=$output
  customers=$(said_by insert | grep -c '^Inserted record: ')
  deposits=$(said_by update | grep -c '^Added ')
  deletes=$(said_by delete | grep -c '^Successfully deleted')
  counters=$(said_by resume_update | grep -c '^Counter value: ')
  ((customers > 0 && deposits > 0 && deletes > 0 && counters > 10)) || fail "too little: $customers $deposits $deletes $counters"

  output=$(said_by listener)
  local inserts
  inserts=$(grep -c '^=== INSERT EVENT ===$' <<<"$output")
  ((inserts > 0 && inserts < customers)) || fail "$inserts of $customers inserts shown"
  assert_equal "$(grep -c '^=== UPDATE EVENT ===$' <<<"$output")" "$deposits"
  assert_equal "$(grep -c '^Checking Account Deposit$' <<<"$output")" "$deposits"
  assert_equal "$(grep -c '^=== DELETE EVENT ===$' <<<"$output")" "$deletes"
  assert_equal "$(grep -c '^=== REPLACE EVENT ===$' <<<"$output")" 1
  assert_equal "$(grep -c '^=== RESUME EXAMPLE ===$' <<<"$output")" "$counters"
  assert_match '^Simulate failure for [0-9.]+ seconds'
  assert_match '^Restart Change Stream with resume token: '
  assert_match '^Resume stream: waiting for MongoDB since '
  assert_line 'Resume stream: MongoDB is back, going on with the resume token.'
  assert_equal "$(sed -n 's/^Counter value: //p' <<<"$output")" "$(seq "$counters")"
  assert_line "Resume stream closed, events seen: $counters, counters 1..$counters, 0 missed, 0 repeated"

  # The last slide. What was written to the network that was cut came after it was back.
  assert_equal "$(sed -n '/^What the listener/,$p' <<<"$all" | tr -s ' ' | sed -E '/^$/d; s/[0-9.]+ (s|ms)/N \1/g')" \
    "What the listener heard
 Event Written Shown Missed
 INSERT $inserts $inserts 0
 UPDATE $deposits $deposits 0
 DELETE $deletes $deletes 0
 REPLACE 1 1 0
 RESUME $counters $counters 0
 What failed Down for First event after reopening
 The stream was closed N s N ms
 The network was cut N s N ms
 Counters 1..$counters, 0 missed, 0 repeated
 Nothing was missed."

  # The README's picture holds what such a run shows, whatever the numbers.
  texts() { sed -nE 's/^<text[^>]*>(.*)<\/text>.*/\1/p' | sed -E "s/[0-9A-Fa-f.]*[0-9][0-9A-Fa-f.]*('})?…?/N/g; s/ +/ /g" | sort -u; }
  assert_equal "$(texts <"$ROOT/.github/demo.svg")" "$("$ROOT/test/picture" "$WORK/demo.out" | texts)" ||
    fail 'the picture is out of date: run test/picture'
  assert_match 'RESUME EXAMPLE' "$(cat "$ROOT/.github/demo.svg")"
}

@test "on a terminal the demo waits for Enter, and Ctrl-C ends all of it with 130 and drops its database" {
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI
  run --separate-stderr on_terminal 'INSERT EVENT ===' "$ROOT/test/demo" --pause --speed 2 --uri ''
  assert_status 130
  assert_nothing_left
  assert_match 'Each step waits for Enter'
  assert_equal "$(grep -o 'Press Enter' <<<"$output" | wc -l | tr -d ' ')" 3
  assert_match $'^\033\\[38;5;[0-9]+mlistener +\\|\033\\[0m (\033\\[[0-9;]+m)*=== INSERT'
  output=$(plain)
  refute_match '^.{81}'
  refute_match '^sandbox '
  local name
  name=$(sed -nE 's/^reset .*Database: //p' <<<"$output")
  assert_match '^change_stream_demo_[0-9]+$' "$name"
  refute_match "$name" "$(database=admin mongo '{"listDatabases": 1, "nameOnly": true}')"
}

@test "with --tmux the screen is split, also inside tmux, and the last slide stays when it has gone" {
  [ -n "$(command -v tmux)" ] || skip 'no tmux here'
  play
  TMUX=/nowhere,1,0 run --separate-stderr on_terminal '' "$demo" --tmux --pause --speed 100
  assert_status 0
  assert_nothing_left
  # On the alternate screen the panes, and after it, as what stays, the last slide.
  local screen=${output%%$'\033[?1049l'*} after=${output##*$'\033[?1049l'}
  assert_match ' listener .* writers ' "$screen"
  assert_match 'Press Enter' "$screen"
  assert_match 'Nothing was missed' "$after"
  refute_match '=== RESUME|detached|exited' "$after"
}

@test "with --tmux Ctrl-C ends all of it with 130" {
  [ -n "$(command -v tmux)" ] || skip 'no tmux here'
  play
  run --separate-stderr on_terminal 'jbang listener' "$demo" --tmux --speed 1
  assert_status 130
  assert_nothing_left
}

@test "a demo whose listener missed a change says so and ends with 1, and no line is wider than the terminal" {
  play
  CLOSING='1..4, 1 missed, 0 repeated' run --separate-stderr on_terminal '' "$demo" --speed 100
  assert_status 1
  assert_match 'Not as it should be'
  output=$(plain)
  refute_match '^.{81}'
  assert_line 'update        | Added $100 to customer acct with _id: 0123456789abcdef01234567,'
  assert_line 'update        |   and more'
  assert_nothing_left
}

@test "a demo that is told to end (TERM) ends all that it started, with 143" {
  play
  start_command demo "$demo" --speed 1
  wait_for demo.out '^listener .*listener thread started' 5 90
  signal demo TERM
  wait_exit demo
  assert_status 143
  assert_nothing_left
}

@test "a demo that is called wrongly starts nothing and says so in a line, with 2" {
  local call
  for call in --port=--port '--uri=--uri' '--speed 0=--speed' '--speed=--speed' '--speed fast=--speed' \
    '--pause=terminal' '--tmux=tmux'; do
    # shellcheck disable=SC2086 # the options are words
    run --separate-stderr "$ROOT/test/demo" ${call%=*} </dev/null
    assert_status 2
    assert_match "^demo: .*${call##*=}" "$stderr"
    assert_equal "$(wc -l <<<"$stderr" | tr -d ' ')" 1
    assert_equal "$output" ''
  done
  mkdir bin
  ln -s "$(command -v bash)" "$(command -v dirname)" bin
  run --separate-stderr env PATH="$WORK/bin" "$BASH" "$ROOT/test/demo" --tmux
  assert_status 2
  assert_match '^demo: --tmux needs tmux - apt install tmux' "$stderr"
  run --separate-stderr "$ROOT/test/demo" --help
  assert_status 0
  for call in --pause --speed --tmux --uri --help; do assert_match "^ .*$call"; done
}

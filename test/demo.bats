#!/usr/bin/env bats
# The demo in one command, and that it leaves nothing behind. The real scripts; the terminals are tmux's.

load helpers/helpers

setup() {
  common_setup
  export TMPDIR="$WORK/a tmp" DEMO_MARK=mark_of_$database # inherited by all that it starts
  unset NO_COLOR CLICOLOR_FORCE TMUX
  mkdir "$TMPDIR"
}

teardown() {
  [ ! -S screen ] || screen kill-server
  common_teardown
}

screen() { tmux -u -S "$WORK/screen" -f /dev/null "$@"; }
on_terminal() { # COLUMNS ROWS [OPTION…]: types the command there
  [ -n "$(command -v tmux)" ] || skip 'no tmux here'
  screen new-session -d -x "$1" -y "$2" bash --norc \; set -g history-limit 5000
  screen send-keys "'$ROOT/test/demo' --speed 25 ${*:3}; echo ended with \$?" Enter
}
look() { screen capture-pane -p "$@"; } # what it holds; -e: with colours, -S -: also what has scrolled by
see() { # REGEX
  local deadline=$((SECONDS + 120))
  until look | grep -qE -e "$1"; do
    ((SECONDS < deadline)) || fail "not on the screen: $1"$'\n'"but: $(look)" || return
    pause
  done
}
assert_nothing_left() {
  local left deadline=$((SECONDS + 10))
  # What has been ended may take a moment to be gone. (ps shows the environment, its own too.)
  while left=$(ps axeww | grep -F "DEMO_MARK=$DEMO_MARK" | grep -vE "ps axeww|grep -|bash --norc|$WORK/screen"); do
    ((SECONDS < deadline)) || fail "still running: $left" || return
    pause
  done
  assert_equal "$(ls -A "$TMPDIR")" ''
}
assert_last_slide() { # TEXT
  local slide
  slide=$(sed -nE '/^What the listener/,$ { s/[0-9.]+ +s|[0-9]+ ms|at once/N/g; /^bash/!p; }' <<<"$1")
  assert_equal "$(xargs <<<"$slide")" \
    "What the listener heard Event Written Shown Missed INSERT 6 6 0 UPDATE 5 5 0 DELETE 3 3 0 REPLACE 1 1 0 \
RESUME 14 14 0 What failed Down for First event after reopening The stream was closed N N \
The network was cut N N Counters 1..14, 0 missed, 0 repeated Nothing was missed.${2-}"
}

# This holds the lines that the demo goes by, too: reword one of a script, and the demo does not come to this end.
@test "the demo, to its end, on a terminal of 80 x 24 with colours" {
  on_terminal 80 24
  see '^ended with '
  assert_last_slide "$(look)" ' ended with 0'
  assert_nothing_left
  all=$(look -S -) colours=$(look -e -S -)
  # Each colour ends where it should, and no line is so long that the terminal had to break it.
  assert_regex "$colours" $'\033\\[1m\033\\[38;5;[0-9]+m=== INSERT EVENT ==='
  refute_regex "$colours" $'\033\\[([0-9;]*;)?(4|21)(:[0-9])?m'
  assert_equal "$(look -J -S - | sed 's/ *$//')" "$all"
  # It says what it runs on, what a filter is while that is on the screen, and how much that has let through.
  assert_regex "$(tr -d '\n' <<<"$all" | tr -s ' ')" 'test/demo --uri URI'
  assert_regex "$(sed -n '/^### 3/,/jbang insert/p' <<<"$all")" '"\$elemMatch"'
  assert_regex "$all" '22 customers inserted, 6 overdrawn'
  assert_regex "$all" '\(before: -636\)'
  # What was written while the network was cut came after that.
  assert_equal "$(grep -oE '^listener .*Counter value: 1.|network is cut' <<<"$all" | grep -oE '1.$|cut' | xargs)" \
    '10 11 cut 12 13 14'
}

@test "the demo, to its end, on a terminal of 120 x 40 that --tmux splits, with Enter before each step" {
  on_terminal 120 40 --tmux --pause
  for n in 1 2 3 4 5 6 7 8 9; do
    see "^$n\\. "
    see 'Press Enter to go on'
    [ $n != 4 ] || assert_regex "$(look)" 'Checking Acct Balance: -164 '
    [ $n != 7 ] || assert_regex "$(look)" '=== REPLACE EVENT === '
    screen send-keys Enter
    [ $n != 7 ] || { see 'Running' && refute_regex "$(look)" 'Press Enter'; }
  done
  see 'Resume stream closed, events seen: 14'
  see 'Press Enter'
  screen send-keys Enter
  see '^ended with '
  assert_last_slide "$(look)" ' ended with 0'
  assert_nothing_left
}

@test "the demo, to its end, into a file, whatever CDPATH, locale and JVM options are; it gives the README's picture" {
  cd "$ROOT"
  CDPATH=. LC_ALL=C JAVA_TOOL_OPTIONS=-Dx=1 start_command demo test/demo --speed 25
  wait_exit demo 180
  assert_success
  assert_last_slide "$output"
  assert_equal "$stderr" ''
  refute_line --regexp $'\033|Picked up'
  assert_nothing_left
  texts() {
    sed -nE 's/^<text[^>]*>(.*)<.text>.*/\1/p' |
      sed -E "s/at once/0 ms/; s/[0-9A-Fa-f.]*[0-9][0-9A-Fa-f.]*('})?(…)?/N/g; s/ +/ /g" | sort -u
  }
  assert_equal "$(texts <.github/demo.svg)" "$(test/lib/picture "$WORK/demo.out" | texts)"
}

@test "a demo whose listener lost its history says what was missed, and ends with 1" {
  DEMO_MARK='' start small=sandbox --port 0 --oplog-size 2
  wait_for small.out '^ready$' 1 60
  start_command demo "$ROOT/test/demo" --speed 25 --uri "$(grep -o 'mongodb://[^ ]*' small.out)"
  wait_exit demo 180
  assert_failure 1
  assert_line --regexp 'history lost'
  assert_line --regexp 'Not as it should be: [1-9][0-9]* missed'
  assert_nothing_left
}

@test "Ctrl-C ends all of it with 130, and what it has created is dropped" {
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI
  on_terminal 80 24 --tmux --uri "''"
  see '=== INSERT'
  screen send-keys C-c
  see '^ended with 130'
  assert_nothing_left
  start_command demo "$ROOT/test/demo" --uri ''
  wait_for demo.out '=== INSERT' 1 120
  signal demo INT
  wait_exit demo
  assert_failure 130
  assert_nothing_left
  database=$(sed -nE 's/^reset .*Database: //p' demo.out)
  assert_equal "$(mongo '{"listCollections": 1}')" ''
}

@test "a password is neither printed nor in the list of processes" {
  start_command demo "$ROOT/test/demo" --uri 'mongodb://user:secret@127.0.0.1:1' --speed 9
  wait_for demo.out '### 1' 1 60
  refute_regex "$(ps axww)" 'secret@127'
  wait_exit demo 60
  assert_stderr_line --regexp '^demo: reset: cannot reach MongoDB'
  refute_regex "$output$stderr" secret
}

@test "a demo that is called wrongly starts nothing and says so in a line, with 2; --help and --card fit 80 columns" {
  for call in --port=--port --uri=--uri '--speed 0=--speed' --pause=terminal --tmux=terminal; do
    run --separate-stderr eval "'$ROOT/test/demo' ${call%=*}" </dev/null
    assert_failure 2
    assert_stderr_line --regexp "^demo: .*${call##*=}"
  done
  run eval "'$ROOT/test/demo' --help && '$ROOT/test/demo' --card"
  assert_success
  assert_line --regexp 'at least once'
  refute_line --regexp '^.{81}'
}

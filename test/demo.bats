#!/usr/bin/env bats
# The show: played whole by the real scripts, on terminals (tmux's) and without one; and that it leaves nothing.

load helpers/helpers

setup() {
  common_setup
  export DEMO_MARK=mark_of_$database # inherited by all that it starts
  mkdir "$WORK/tmp"
  export JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=$WORK/tmp
}

teardown() {
  [ ! -S "$WORK/screen" ] || screen kill-server
  common_teardown
}

screen() { tmux -u -S "$WORK/screen" -f /dev/null "$@"; }
on_terminal() { # COLUMNS ROWS [OPTION…]: types the command there
  [ -n "$(command -v tmux)" ] || skip 'no tmux here'
  screen new-session -d -x "$1" -y "$2" bash --norc
  local command="'$ROOT/test/demo' --speed 25 ${*:3}"
  screen send-keys "stty -g >before; $command; code=\$?; stty -g >after; echo ended with \$code" Enter
}
look() { screen capture-pane -p "$@"; } # -e: with its styles
see() { # REGEX [OPTION OF look…]
  local deadline=$((SECONDS + 120))
  until seen=$(look "${@:2}") && grep -qE -e "$1" <<<"$seen"; do
    ((SECONDS < deadline)) || fail "not on the screen: $1"$'\n'"but: $seen" || return
    pause
  done
}
press() { screen send-keys "$@"; }
enter() { see ' Enter e f c . q$' && press Enter; } # when it is asked for
processes() { # ps shows the environment, its own too
  ps axeww | grep -F "DEMO_MARK=$DEMO_MARK" | grep -vE "ps axeww|grep -|bash --norc|tmux -u"
}
nothing_is_left() {
  local left deadline=$((SECONDS + 10))
  while left=$(processes); do # what has been ended may take a moment to be gone
    ((SECONDS < deadline)) || fail "still running: $left" || return
    pause
  done
  assert_equal "$(ls -A "$WORK/tmp" | grep -v hsperfdata)" ''
  database=admin run mongo '{"listDatabases": 1, "nameOnly": true}'
  refute_output --regexp 'change_stream_demo_[0-9a-f]{8}-'
}
terminal_is_as_before() {
  see '^ended with [0-9]+$'
  cmp before after
  assert_equal "$(screen display -p '#{cursor_flag} #{alternate_on}')" '1 0'
}
# The last slide of a text: all that follows its headline, in one line, with N for each time that something took.
last_slide() { # TEXT
  sed -nE '/should have been shown/,$ { s/after [0-9.]+ s/N/; s/[0-9]+ (ms|\(worst)/N \1/g; /^bash/!p; }' <<<"$1" | xargs
}
whole="Event should have been shown shown missed INSERT 6 6 0 UPDATE 5 5 0 DELETE 3 3 0 REPLACE 1 1 0 RESUME 14 14 0 \
What failed was back first event then STREAM CLOSED N counter 9, N ms later NETWORK CUT N counter 12, \
N ms later From the write to the screen, without failure: N ms (median), N (worst) Resume stream closed, events seen: \
14, counters 1..14, 0 missed, 0 repeated Nothing was missed."

# This holds the lines that the demo goes by, too: reword one of a script, and it does not come to this end.
@test "the demo with --pause, to its end, on a terminal of 80 x 24, in colours" {
  on_terminal 80 24 --pause
  local shown=('' 'a sample' ' RESUME ' 'insert 6/6' 'update 5/5' 'delete 3/3' 'replace 1/1'
    'resume 11/11' 'resume 14/14')
  for n in 1 2 3 4 5 6 7 8; do
    see "^ $n of 9 "
    enter
    [ $n != 8 ] || { see 'NETWORK CUT for [0-9]+ s: 0 written, not shown' && press Enter; } # too early
    see "${shown[n]}"
    see ' Enter e f'
    assert_regex "$seen" "^ $n of 9 "
    case $n in
      3) assert_regex "$seen" 'keila.bauch@[^ ]+ +-4909 │INSERT +keila.bauch@[^ ]+ +checking -4909' ;;
      4) assert_regex "$seen" 'Rocco Morar +\+\$100 │UPDATE +Rocco Morar +checking -636 -> -536' ;;
      7)
        assert_equal "$(sed 's/.*│//' <<<"$seen" | grep -oE 'counter [0-9]+|CLOSED|[0-9]+ written|BACK' | xargs)" \
          "$(echo 'counter '{1..8} 'CLOSED 3 written BACK' 'counter '{9,10,11} | xargs)"
        assert_regex "$(look -e)" $'41m[^\n]*CLOSED[^\n]*\n.*42m[^\n]*BACK'
        ;;
    esac
    enter
  done
  see '^ 9 of 9 '
  enter
  see 'Nothing was missed'
  enter
  terminal_is_as_before
  assert_equal "$(last_slide "$(look)")" "$whole ended with 0"
  nothing_is_left
}

@test "the demo on a terminal of 120 x 40 that is made small and large again, with NO_COLOR; its keys" {
  export NO_COLOR=1
  on_terminal 120 40
  see '^ [1-9] of 9 '
  press Space # before its end, or after it: which step is held depends on the machine
  see $'\033\\[7mSpace' -e
  local held=$(look | grep -oE '^ [1-9] of 9 ')
  screen resize-window -x 70 -y 15
  see 'The screen needs 80 x 20'
  screen resize-window -x 80 -y 20
  press f
  see 'And invalidate events, all of them'
  press c
  see "^ ${held:1:1} [A-Z].* \""
  refute_regex "$seen" "presenter's card" # it begins with what to say now
  press '?'
  see '^ Space .* holds the show'
  assert_regex "$(look -e)" "$held.*"$'\033\\[7mSpace'
  press '?'
  see '│'
  press Space
  see 'update 5/5'
  press Space e
  see '^   "_id": \{'
  press PageDown PageDown PageDown PageDown PageDown PageDown PageDown PageDown PageDown PageDown
  see '^ \}$' # its end
  refute_regex "$(look -e)" $'\033\\[([0-9;]*;)?(3[0-8]|4[0-8])[;m]'
  press e Space
  terminal_is_as_before
  assert_equal "$(last_slide "$(look)")" "$whole ended with 0"
  nothing_is_left
}

@test "the demo into a file, with settings of the user's: lines in the order of what happened; and a picture" {
  echo 'export NONSENSE' >>.env
  JAVA_TOOL_OPTIONS+=' -Duser.language=de'
  CDPATH=. LC_ALL=C CLICOLOR_FORCE=1 RESUME_TOKEN_FILE=$WORK/token NUM_RECORDS_TO_GENERATE=1 \
    start_command demo bash "$ROOT/test/demo" --speed 25 --picture "$WORK/demo.svg"
  wait_exit demo 180
  assert_success
  assert_equal "$(last_slide "$output")" "$whole"
  refute_output --partial $'\033'
  read -r median worst < <(sed -nE 's/.*: ([0-9]+) ms \(median\), ([0-9]+) \(worst\).*/\1 \2/p' <<<"$output")
  ((median <= worst)) || fail "the median is $median ms, the worst $worst"
  grep -oE '^listener +(STREAM CLOSED|NETWORK CUT|BACK|RESUME +counter [0-9]+)' <<<"$output" >order
  assert_equal "$(sed 's/.* //' order | xargs)" \
    '1 2 3 4 5 6 7 8 CLOSED BACK 9 10 11 CUT BACK 12 13 14'
  [ ! -e token ]
  nothing_is_left
  texts() {
    sed -nE 's/^<text[^>]*>(.*)<.text>$/\1/p' "$1" | sed -E 's/ *│$//; s/token .*/token/; s/[0-9.]+/N/g; s/ +/ /g' | sort -u
  }
  assert_equal "$(texts "$ROOT/.github/demo.svg")" "$(texts demo.svg)"
}

@test "a listener that misses events: the demo says how many and of which kind, and ends with 1" {
  DEMO_MARK='' own_sandbox --oplog-size 2
  start_command demo "$ROOT/test/demo" --speed 25 --uri="$TEST_MONGODB_URI"
  wait_exit demo 180
  assert_failure 1
  assert_line --regexp '^ +(INSERT|UPDATE|DELETE|RESUME) .* [1-9]$'
  assert_line --regexp 'Not as it should be: [1-9] (INSERT|UPDATE|DELETE|RESUME) missed; not gone through: '
  assert_output --partial 'history lost'
  refute_output --partial 'without failure' # two clocks
  nothing_is_left
}

@test "Ctrl-C, q, TERM and a script that fails end all of it; what it made in the user's MongoDB is dropped" {
  export COLLECTION=other
  for how in 'update Deposits' 'delete Deletes' 'C-c collection' 'C-c CLOSED' 'q Rocco Morar' 'TERM listener  RESUME +counter 2'; do
    case ${how%% *} in update | delete) fault '{"times": 1}' '"errorCode": 13' "${how%% *}" ;; esac # at its first
    [[ $how != TERM* ]] || plain=--plain
    on_terminal 80 24 --uri "''" $plain
    see "${how#* }|^ended"
    case ${how%% *} in
      C-c | q) press "${how%% *}" ;;
      TERM) kill "$(processes | awk '/ demo --speed [2]5/ { print $1; exit }')" ;;
    esac
    terminal_is_as_before
    case ${how%% *} in
      update | delete) assert_regex "$seen" "demo: ${how%% *}: .*ended with 1" ;;
      TERM) assert_regex "$seen" 'ended with 143' ;;
      *) assert_regex "$seen" 'ended with 130' ;;
    esac
    nothing_is_left
    screen kill-server
    rm before after "$WORK/screen" # the old server may still be ending
  done
}

@test "a password is neither printed nor in the list of processes" {
  start_command demo "$ROOT/test/demo" --uri 'mongodb://user:secret@127.0.0.1:1' --speed 9
  wait_for demo.out '^ 1 of 8 ' 1 60
  refute_regex "$(ps axww)" 'secret@127'
  wait_exit demo 60
  assert_failure 1
  assert_stderr --partial 'demo: reset: cannot reach MongoDB'
  refute_output --partial secret
  refute_stderr --partial secret
  run "$ROOT/test/jbang" run "$ROOT/test/demo.java" --speed 'mongodb://user:secret@127.0.0.1:1'
  assert_failure 2
  refute_output --partial secret
  run "$ROOT/test/jbang" run "$ROOT/test/demo.java" --speed 9 --uri 'mongodb://127.0.0.1:1'
  assert_output --partial 'demo: reset: cannot reach MongoDB'
}

@test "a demo that is called wrongly starts nothing and says so in a line, with 2; --help and --card fit 80 columns" {
  unset JAVA_TOOL_OPTIONS
  for call in --port=--port '--speed 0=--speed' --pause=terminal '--mongod --uri=go together'; do
    run --separate-stderr eval "'$ROOT/test/demo' ${call%=*}" </dev/null
    assert_failure 2
    assert_stderr_line --regexp "^demo: .*${call##*=}"
  done
  ln -s "$ROOT/test/demo" link && ln -s link another
  run eval 'bash another --help && bash another --card'
  assert_success
  assert_output --partial 'at least once'
  refute_line --regexp '^.{81}'
}

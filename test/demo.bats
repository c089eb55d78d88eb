#!/usr/bin/env bats
# The show: played whole by the real scripts, on terminals (tmux's) and without one; it leaves nothing.

load helpers/helpers
load helpers/screen

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
        local right=$(sed 's/.*│//' <<<"$seen")
        assert_equal "$(grep -oE 'counter [0-9]+|CLOSED|[0-9]+ written|BACK' <<<"$right" | xargs)" \
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
  press f PageDown # a small screen has its end on a second page
  see 'And invalidate events, all of them'
  press c
  see "^ ${held:1:1} [A-Z].* \""
  refute_regex "$seen" "presenter's card" # it begins with what to say now
  press '?'
  see '^ Space .* holds the show'
  assert_regex "$(look -e)" "$held.*"$'\033\\[7mSpace'
  press '?'
  see '│|^ INSERT '
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

@test "the demo into a file, with the user's settings: lines in the order of what happened; and a picture" {
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
  for how in 'update Deposits' 'delete Deletes' 'C-c collection' 'C-c CLOSED' 'q Rocco Morar' \
    'TERM listener  INSERT'; do
    case ${how%% *} in # at its first
      update | delete) fault '{"times": 1}' '"errorCode": 13' "${how%% *}" ;;
    esac
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
  run "$ROOT/test/jbang" run "$ROOT/test/demo.java" --speed 'mongodb://user:x@secret@127.0.0.1:1'
  assert_failure 2
  refute_output --partial secret
  run "$ROOT/test/jbang" run "$ROOT/test/demo.java" --speed 9 --uri 'mongodb://127.0.0.1:1'
  assert_output --partial 'demo: reset: cannot reach MongoDB'
}

@test "a demo called wrongly starts nothing, says so in a line, with 2; --help and --card fit 80 columns" {
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

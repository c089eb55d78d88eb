# test/run: what its last line and its exit code say.

load helpers/helpers
load helpers/runs

# A checkout with tests of its own, as a whole run within this run would have no end.
setup() {
  common_setup
  mkdir -p 'check out/test' && cd 'check out'
  cp -r "$ROOT/.ci" . && cp "$ROOT"/test/{run,jbang} test
  as_from_a_terminal
}

@test "passed, failed and skipped are counted; a failure is shown, and ends with 1; .ci/run is the same" {
  suite mixed <<-'BATS'
	test "one" { skip "not here"; }
	test "two" { echo "this was there instead"; false; }
	BATS
  for i in {3..9}; do echo "@test '$i' { true; }"; done >>test/mixed.bats
  run_tests test/mixed.bats
  assert_line '# this was there instead'
  assert_ends 1 '7 passed, 1 failed, 1 skipped'
  unaware+=(SHELLOPTS=errexit:nounset:noglob:noclobber:pipefail:posix)
  command=.ci/run run_tests --filter '[13579]' test/mixed.bats
  assert_ends 0 '4 passed, 0 failed'
  run_tests --filter nothing test/mixed.bats
  assert_ends 1 '0 passed, 1 failed'
}

@test "tests that never ran have failed: no set-up, no teardown, no syntax, no such file, no bats" {
  suite two <<<$'test "one" { true; }\ntest "two" { true; }'
  echo 'setup_suite() { echo "no server"; false; }' >test/setup_suite.bash
  run_tests test/two.bats
  assert_line --regexp 'no server'
  assert_ends 1 '0 passed, 2 failed'
  echo 'setup_suite() { :; }; teardown_suite() { false; }' >test/setup_suite.bash
  run_tests test/two.bats
  assert_ends 1 '2 passed, 1 failed'
  rm test/setup_suite.bash
  suite broken <<<'test "one" { if }'
  run_tests test/broken.bats test/two.bats
  assert_line --regexp 'syntax error'
  assert_ends 1 '2 passed, 1 failed'
  run_tests test/missing.bats test/two.bats
  assert_ends 1 '2 passed, 1 failed'
  printf '#!/bin/bash\nexit 1\n' >npm && chmod +x npm
  unaware+=("PATH=$PWD:$PATH" "XDG_CACHE_HOME=$WORK")
  run_tests test/two.bats
  assert_ends 1 '0 passed, 1 failed'
}

@test "without arguments it is all of test/, several files at a time, each in one piece, also with CDPATH" {
  mkfifo "$WORK/fifo" "$WORK/second"
  suite one <<-BATS
	test "one meets two" { read -r line <"$WORK/fifo"; [ "\$line" = hello ]; }
	test "one fails" { read -r line <"$WORK/second"; seq -f 'one says %g' 300; false; }
	BATS
  suite two <<-BATS
	test "two meets one" { echo hello >"$WORK/fifo"; }
	test "two fails" { echo hello >"$WORK/second"; seq -f 'two says %g' 300; false; }
	BATS
  cd "$WORK"
  CDPATH=. command='check out/test/run' run_tests # one after the other they would wait for ever
  assert_ends 1 '2 passed, 2 failed'
  for name in one two; do # the line before, that of the test, two of where it failed, and its own
    assert_regex "$(grep -B 303 "^# $name says 300$" <<<"$output" | head -n 2)" \
      "^ok 1 $name meets .*not ok 2 $name fails"
  done
}

@test "after Ctrl-C there are totals as well, in which what did not run has failed" {
  suite one <<<$'test "one" { true; }\ntest "two" { echo "$BASHPID" >two; sleep 60; }\ntest "three" { true; }'
  local name files
  for name in p q r s; do suite $name <<<'test "four" { sleep 60; }'; done # three files run at a time
  for files in test/one.bats ''; do
    : >two
    # A group of its own, as a terminal gives it, which gets the signal as a whole.
    start_command tests "${unaware[@]}" perl -e 'setpgrp; exec @ARGV' test/run $files
    wait_for "$PWD/two" .
    kill -INT -- "-$(ps -o pgid= -p "$(cat two)" | tr -d ' ')"
    wait_exit tests
    assert_failure 1
  done
  assert_equal "$(tail -n 1 <<<"$output")" '1 passed, 6 failed'
}

# test/run: what its last line and its exit code say.

load helpers

# A checkout with tests of its own, as a whole run within this run would have no end.
setup() {
  common_setup
  mkdir -p 'check out/test' && cd 'check out'
  cp -r "$ROOT/.ci" . && cp "$ROOT"/test/{run,jbang} test
}

# suite NAME <<'BATS'              a test file; its tests begin with `test`, as an older bats would take each line that
#                                  begins with @test for a test of this very file
suite() { # NAME
  sed 's/^test /@test /' >"test/$1.bats"
}

# As from a terminal, that is without what bats tells those below it.
run_tests() { # [ARGUMENT…]
  run within 60 env $(compgen -v | sed -n 's/^BATS_/-u &/p') PATH="${PATH//"$BATS_LIBEXEC":/}" \
    "${command:-$WORK/check out/test/run}" "$@"
}

last_line() { assert_equal "${lines[${#lines[@]} - 1]}" "$1"; }

@test "all green: the number passed, and exit code 0" {
  suite green <<-'BATS'
	test "one" { true; }
	test "two" { true; }
	BATS
  run_tests test/green.bats
  assert_status 0
  assert_line 'ok 1 one'
  last_line '2 passed, 0 failed'
}

@test "a failure is counted and shown, and the exit code is not 0" {
  suite red <<-'BATS'
	test "one" { true; }
	test "two" { echo "this was there instead"; false; }
	BATS
  run_tests test/red.bats
  assert_status 1
  assert_match 'this was there instead'
  last_line '1 passed, 1 failed'
}

@test "skipped tests are neither passed nor failed" {
  suite skips <<-'BATS'
	test "one" { true; }
	test "two" { skip "not here"; }
	BATS
  run_tests test/skips.bats
  assert_status 0
  last_line '1 passed, 0 failed, 1 skipped'
}

@test "tests that never ran because the set-up failed have failed" {
  suite unready <<-'BATS'
	test "one" { true; }
	test "two" { true; }
	BATS
  echo 'setup_suite() { echo "no server"; false; }' >test/setup_suite.bash
  run_tests test/unready.bats
  assert_status 1
  assert_match 'no server'
  last_line '0 passed, 2 failed'
}

@test "a teardown of the suite that fails is a failure" {
  suite untidy <<<'test "one" { true; }'
  printf '%s\n' 'setup_suite() { :; }' 'teardown_suite() { false; }' >test/setup_suite.bash
  run_tests test/untidy.bats
  assert_status 1
  last_line '1 passed, 1 failed'
}

@test "a file that bats cannot read is a failure" {
  suite broken <<<'test "one" { if }'
  run_tests test/broken.bats
  assert_status 1
  assert_match 'syntax error'
  last_line '0 passed, 1 failed'
}

@test "a filter that nothing matches is no success" {
  suite green <<<'test "one" { true; }'
  run_tests --filter nothing test/green.bats
  assert_status 1
  refute_match '^(not )?ok '
  last_line '0 passed, 1 failed'
}

@test "files run at the same time, and show as one run: numbered through, each failure in one piece, the totals of all" {
  mkfifo "$WORK/fifo"
  suite one <<-BATS
	test "one meets two" { read -r line <"$WORK/fifo"; [ "\$line" = hello ]; }
	test "one fails" { seq -f 'one says %g' 300; false; }
	test "one skips" { skip; }
	BATS
  suite two <<-BATS
	test "two meets one" { echo hello >"$WORK/fifo"; }
	test "two fails" { seq -f 'two says %g' 300; false; }
	BATS
  run_tests # one after the other they would wait for ever
  assert_status 1
  last_line '2 passed, 2 failed, 1 skipped'
  assert_equal "$(sed -nE 's/^(1\.\.|ok |not ok )([0-9]+).*/\2/p' <<<"$output" | paste -sd' ')" '1 2 3 4 5 5'
  local name
  for name in one two; do # the line of the test, two of where it failed, and its own
    assert_match "^not ok [0-9] $name fails" "$(grep -B 302 "^# $name says 300$" <<<"$output" | head -n 1)"
  done
}

@test "without arguments it is all of test/, with a file that file alone, from any folder" {
  suite green <<<'test "one" { true; }'
  suite red <<<'test "two" { false; }'
  cd "$HOME"
  run_tests
  last_line '1 passed, 1 failed'
  cd "$WORK/check out/test"
  run_tests green.bats
  last_line '1 passed, 0 failed'
}

@test ".ci/run is test/run" {
  suite red <<<'test "one" { false; }'
  command=.ci/run run_tests test/red.bats
  assert_status 1
  assert_line 'not ok 1 one'
  last_line '0 passed, 1 failed'
}

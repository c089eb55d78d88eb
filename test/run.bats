# test/run: what its last line and its exit code say.

load helpers

# suite NAME <<'BATS'              a test file in a folder of its own, away from the sandbox of this suite
suite() { # NAME
  mkdir "$WORK/$1"
  cat >"$WORK/$1/$1.bats"
}

# As from a terminal, that is without what bats tells those below it.
run_tests() { # [ARGUMENT…]
  run env $(compgen -v | sed -n 's/^BATS_/-u &/p') PATH="${PATH//"$BATS_LIBEXEC":/}" "${command:-$ROOT/test/run}" "$@"
}

last_line() { assert_equal "${lines[${#lines[@]} - 1]}" "$1"; }

@test "all green: the number passed, and exit code 0" {
  suite green <<-'BATS'
	@test "one" { true; }
	@test "two" { true; }
	BATS
  run_tests green/green.bats
  assert_status 0
  assert_line 'ok 1 one'
  last_line '2 passed, 0 failed'
}

@test "a failure is counted and shown, and the exit code is not 0" {
  suite red <<-'BATS'
	@test "one" { true; }
	@test "two" { echo "this was there instead"; false; }
	BATS
  run_tests red/red.bats
  assert_status 1
  assert_match 'this was there instead'
  last_line '1 passed, 1 failed'
}

@test "skipped tests are neither passed nor failed" {
  suite skips <<-'BATS'
	@test "one" { true; }
	@test "two" { skip "not here"; }
	BATS
  run_tests skips/skips.bats
  assert_status 0
  last_line '1 passed, 0 failed, 1 skipped'
}

@test "tests that never ran because the set-up failed have failed" {
  suite unready <<-'BATS'
	@test "one" { true; }
	@test "two" { true; }
	BATS
  echo 'setup_suite() { echo "no server"; false; }' >unready/setup_suite.bash
  run_tests unready/unready.bats
  assert_status 1
  assert_match 'no server'
  last_line '0 passed, 2 failed'
}

@test "a teardown of the suite that fails is a failure" {
  suite untidy <<<'@test "one" { true; }'
  printf '%s\n' 'setup_suite() { :; }' 'teardown_suite() { false; }' >untidy/setup_suite.bash
  run_tests untidy/untidy.bats
  assert_status 1
  last_line '1 passed, 1 failed'
}

@test "a file that bats cannot read is a failure" {
  suite broken <<<'@test "one" { if }'
  run_tests broken/broken.bats
  assert_status 1
  assert_match 'syntax error'
  last_line '0 passed, 1 failed'
}

@test "a filter that nothing matches is no success" {
  suite green <<<'@test "one" { true; }'
  run_tests --filter nothing green/green.bats
  assert_status 1
  refute_match '^(not )?ok '
  last_line '0 passed, 1 failed'
}

@test "a folder with a space is no obstacle" {
  suite 'a space' <<<'@test "one" { true; }'
  cd 'a space'
  run_tests 'a space.bats'
  assert_status 0
  last_line '1 passed, 0 failed'
}

@test ".ci/run is test/run" {
  suite red <<<'@test "one" { false; }'
  command=$ROOT/.ci/run run_tests red/red.bats
  assert_status 1
  assert_line 'not ok 1 one'
  last_line '0 passed, 1 failed'
}

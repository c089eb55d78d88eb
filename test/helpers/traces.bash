# For the tests of the player of scenarios, and of what it plays.

# shellcheck shell=bash disable=SC2154 # output is set by run

# One JVM plays any number of traces, so each test calls it seldom. The sandbox shows an event at once.
replay() { # [OPTION…] TRACE…
  MONGODB_ATLAS_URL=$TEST_MONGODB_URI script replay ${TEST_SANDBOX:+--wait 50} "$@"
}

# A copy of a trace in which one step is another. A trace has one step a line, the first in its third line.
alter() { # NAME TRACE STEP SED-COMMAND
  local original=$ROOT/test/scenarios/recorded/$2.json
  sed "$(($3 + 2))$4" "$original" >"$WORK/$1.json"
  ! cmp -s "$original" "$WORK/$1.json" || fail "nothing was altered for $1"
}

fails_in_step() { # NAME STEP DIFFERENCE…: the last replay names that step of that trace, and no other
  local report
  report=$(awk -v trace="$1.json" '/^(ok|FAILED) /{inside = $2 == trace} inside' <<<"$output")
  [[ $report == "FAILED  $1.json"*"  step $2: "*"differs:  ${*:3}"* ]] &&
    [ "$(grep -c '^  step ' <<<"$report")" = 1 ] ||
    fail "$1 was to fail in step $2 only: ${*:3}"$'\n'"$report"
}

# On the sandbox that the test has started, else on that of all tests. It shows an event at once.
play() { # SCENARIO…
  [ -n "${port:-}${TEST_SANDBOX:-}" ] || own_sandbox
  MONGODB_ATLAS_URL=$TEST_MONGODB_URI run --separate-stderr script replay --wait 50 \
    "${@/#/$ROOT/test/scenarios/ours/}"
  assert_success
}

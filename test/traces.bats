#!/usr/bin/env bats
# What the server answers is held against what a real MongoDB answered. How that is written down:
# scenarios/recorded/README.md.

load helpers/helpers

setup_file() {
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true # every replay uses the same two databases
}

# One JVM plays any number of traces, so each test calls it as seldom as it can. The sandbox shows an event at once.
replay() { # [OPTION…] TRACE…
  MONGODB_ATLAS_URL=$TEST_MONGODB_URI script replay ${TEST_SANDBOX:+--wait 50} "$@"
}

# A copy of a trace in which one step is another. A trace has one step a line, the first in its third line.
alter() { # NAME TRACE STEP SED-COMMAND [DIFFERENCE]
  local original=$ROOT/test/scenarios/recorded/$2.json
  sed "$(($3 + 2))$4" "$original" >"$WORK/$1.json"
  ! cmp -s "$original" "$WORK/$1.json" || fail "nothing was altered for $1"
  expected+=("$1 $3 ${5-}")
}

fails_in_step() { # NAME STEP DIFFERENCE…: the last replay names that step of that trace, and no other
  local report
  report=$(awk -v trace="$1.json" '/^(ok|FAILED) /{inside = $2 == trace} inside' <<<"$output")
  [[ $report == "FAILED  $1.json"*"  step $2: "*"differs:  ${*:3}"* ]] && [ "$(grep -c '^  step ' <<<"$report")" = 1 ] ||
    fail "$1 was to fail in step $2 only: ${*:3}"$'\n'"$report"
}

@test "the server answers all scenarios that were recorded on a real MongoDB as one of its version does" {
  run --separate-stderr replay "$ROOT"/test/scenarios/recorded/*.json
  assert_success
  assert_line "13 traces, 258 steps, 0 failed"
}

@test "the player goes red at whatever is not as recorded, and names the step" {
  alter field 01-five-operations 5 's/"firstName": "Ann"/"firstName": "Eve"/' \
    "events.0.fullDocument.firstName has another value"
  alter new-field 01-five-operations 5 's/, "documentKey": {"_id": 1}//' "events.0.documentKey is not expected"
  alter dotted 02-update-kinds 6 's/"a.b": 2, "a.c": 3/"a": {"b": 2, "c": 3}/' \
    "events.0.updateDescription.updatedFields.a is missing"
  alter no-event 01-five-operations 5 's/"events": \[\(.*\)\], "open"/"events": [\1, \1], "open"/' \
    "events.1 is missing"
  alter new-event 01-five-operations 5 's/"events": \[.*\], "open"/"events": [], "open"/' "events.0 is not expected"
  alter order 06-resume 11 's/"n": 1\(.*\)"n": 2/"n": 2\1"n": 1/' \
    "events.0.fullDocument.n has another value"
  alter token 01-five-operations 5 's/<token>/<other>/' "events.0._id has another value"
  alter code 10-refusals 2 's/"code": 9,/"code": 10,/' "error.code has another value"
  alter label 10-refusals 16 's/NonResumable/Resumable/' "error.labels.0 is missing"
  alter no-error 10-refusals 2 's/"expect": .*/"expect": {"pbrt": true, "open": true}},/' "pbrt is missing"
  alter new-error 10-refusals 14 's/"expect": .*/"expect": {"error": {"code": 20}}},/' "error is missing"
  alter closed 01-five-operations 2 's/"open": true}/"open": false}/' "open has another value"
  alter still-open 07-drop-invalidates 11 's/"open": false/"open": true/' "open has another value"
  alter reply 01-five-operations 4 's/"expect": {"n": 1}/"expect": {"n": "1"}/' "n has another value"
  alter unnamed 01-five-operations 7 's/, "nModified": 1//' "nModified is not expected"
  run --separate-stderr replay "$WORK"/*.json
  assert_failure 1
  # shellcheck disable=SC2086 # name, step and difference
  for one in "${expected[@]}"; do fails_in_step $one; done
  assert_line --regexp '^15 traces, [0-9]+ steps, 15 failed$'
}

@test "what a newer server does otherwise is expected of a newer one only" {
  own_sandbox --like 4.4 # which says so, and does as 6.0 all the same
  run --separate-stderr replay "$ROOT/test/scenarios/recorded/10-refusals.json"
  assert_failure 1
  fails_in_step 10-refusals 11 "error.code has another value"
}

@test "the player looks past what is no difference: field order, and 1 or 1.0" {
  alter fields 01-five-operations 5 's/{"db": "trace", "coll": "accounts"}/{"coll": "accounts", "db": "trace"}/'
  alter number 01-five-operations 4 's/"expect": {"n": 1}/"expect": {"n": 1.0}/'
  run --separate-stderr replay "$WORK"/*.json
  assert_success
}

@test "the player never shows a password" {
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI
  refused() { # CODE REGEX ARGUMENT…
    script_fails "$1" "^replay: $2" replay "${@:3}"
    refute_regex "$output$stderr" s3c
  }
  local trace=$ROOT/test/scenarios/recorded/09-nothing-there-yet.json
  refused 1 '.*127\.0\.0\.1:1' --uri 'mongodb://ann:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=200' "$trace"
  refused 2 '--uri is no MongoDB connection string' --uri mongodb://ann:s3c@s3cret:x/ "$trace"
  refused 2 '' mongodb://ann:s3cret@127.0.0.1/ # where the name of a trace should be
}

teardown() {
  common_teardown
  [ -z "${made:-}" ] || database=$made mongo '{"dropDatabase": 1}' >/dev/null # else the next replay would refuse
}

@test "the player refuses to drop a database that it did not make, unless --force" {
  local trace=$ROOT/test/scenarios/recorded/09-nothing-there-yet.json
  replay "$trace" # goes no further if there is such a database already, on a server of somebody's own
  made=other database=other
  insert_documents '{"_id": "precious"}'

  MONGODB_ATLAS_URL=$TEST_MONGODB_URI script_fails 2 "^replay: the server has a database 'other' already" replay "$trace"
  assert_equal "$(count)" 1

  replay --force "$trace"
  assert_equal "$(count)" 0
}

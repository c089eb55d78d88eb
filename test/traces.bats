#!/usr/bin/env bats
# What the server answers is held against what a real MongoDB answered. How that is written down:
# scenarios/recorded/README.md.

load helpers/helpers
load helpers/traces

setup_file() {
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true # every replay uses the same two databases
}

@test "the server answers all scenarios that were recorded on a real MongoDB as one of its version does" {
  run --separate-stderr replay "$ROOT"/test/scenarios/recorded/*.json
  assert_success
  assert_line "13 traces, 258 steps, 0 failed"
}

@test "the player goes red at whatever is not as recorded, and names the step" {
  while IFS='~' read -r name trace step expression difference; do
    alter "$name" "$trace" "$step" "$expression"
    expected+=("$name $step $difference")
  done < <(grep -v '^#' "$ROOT/test/scenarios/altered.list" | sed 's/ *~ */~/g')
  run --separate-stderr replay "$WORK"/*.json
  assert_failure 1
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
  alter fields 01-five-operations 5 \
    's/{"db": "trace", "coll": "accounts"}/{"coll": "accounts", "db": "trace"}/'
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
  # Else the next replay would refuse.
  [ -z "${made:-}" ] || database=$made mongo '{"dropDatabase": 1}' >/dev/null
}

@test "the player refuses to drop a database that it did not make, unless --force" {
  local trace=$ROOT/test/scenarios/recorded/09-nothing-there-yet.json
  replay "$trace" # goes no further if there is such a database already, on a server of somebody's own
  made=other database=other
  insert_documents '{"_id": "precious"}'

  MONGODB_ATLAS_URL=$TEST_MONGODB_URI \
    script_fails 2 "^replay: the server has a database 'other' already" replay "$trace"
  assert_equal "$(count)" 1

  replay --force "$trace"
  assert_equal "$(count)" 0
}

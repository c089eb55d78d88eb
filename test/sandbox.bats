#!/usr/bin/env bats
# The sandbox as whoever starts it meets it. What it answers to clients is in traces.bats and clients.bats.

load helpers

start_sandbox() { # OPTION…
  start sandbox --port 0 "$@"
  wait_for sandbox.out '^ready$'
  uri=$(grep -o 'mongodb://.*' sandbox.out)
  port=${uri#*127.0.0.1:} port=${port%%/*}
}

@test "the sandbox prints its URI, then ready, and answers at once, on loopback only" {
  start_sandbox
  assert_equal "$(grep -n . sandbox.out | grep -E 'mongodb://|ready' | cut -d: -f1 | paste -sd' ')" "2 3"
  TEST_MONGODB_URI=$uri run mongo '{"ping": 1}'
  assert_status 0
  local address
  for address in $(hostname -I); do
    ! (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null || fail "it answers on $address, too"
  done
}

@test "a document is kept with its _id in front, wherever the client had it, and gets one if it has none" {
  run mongo '{"insert": "accounts", "documents": [{"a": 1, "_id": 7, "b": 2}, {"a": 2}, {"_id": null}]}'
  assert_status 0
  run documents
  assert_line '{"_id": 7, "a": 1, "b": 2}'
  assert_match '^\{"_id": \{"\$oid": "[0-9a-f]{24}"\}, "a": 2\}$'
  assert_line '{"_id": null}'
}

@test "a port that is taken is an error that says what to do" {
  start_sandbox
  run --separate-stderr script sandbox --port "$port"
  assert_status 1
  assert_equal "$output" ""
  assert_match "^sandbox: port $port cannot be taken .*--port" "$stderr"
  assert_equal "$(wc -l <<<"$stderr" | tr -d ' ')" 1
}

@test "the sandbox ends on Ctrl-C and on TERM, and gives its port back" {
  start_sandbox
  signal sandbox INT
  wait_exit sandbox
  assert_status 130
  start again=sandbox --port "$port"
  wait_for again.out '^ready$'
  signal again TERM
  wait_exit again
  assert_status 143
  assert_equal "$stderr" ""
}

@test "--help says what the sandbox is not, and an option that makes no sense is refused" {
  run --separate-stderr script sandbox --help
  assert_status 0
  local text
  text=$(tr -s ' \n' ' ' <<<"$output")
  assert_match 'keeps nothing when it ends' "$text"
  assert_match 'asks for no password' "$text"
  assert_match 'nothing but this demo' "$text"
  assert_match 'configureFailPoint' "$text"
  local bad
  for bad in "--port 70000" "--port none" "--oplog-size 0" "--durable"; do
    # shellcheck disable=SC2086 # option and value are two words
    start "bad${bad//[^a-z0-9]/_}=sandbox" $bad
  done
  for bad in "${started[@]}"; do
    wait_exit "$bad"
    assert_status 2
    assert_equal "$output" ""
  done
}

@test "a stream that comes back too late is told so in each of the three ways of a server" {
  start_sandbox --oplog-size 10
  run --separate-stderr script replay --wait 50 --uri "$uri" "$ROOT/test/scenarios/history-lost.json"
  assert_status 0
}

@test "pre- and post-images, stages, refusals and faults on demand are as the manual has them" {
  MONGODB_ATLAS_URL=$TEST_MONGODB_URI run --separate-stderr script replay --wait 50 "$ROOT"/test/scenarios/{pre-images,fail-command,by-the-manual}.json
  assert_status 0
}

@test "messages that are none end their own connection, and leave no thread and no cursor" {
  start_sandbox
  run script fuzz "$port" 3000 "$RANDOM"
  assert_status 0
  assert_line "3000 bad messages, 30 change streams opened in between"
  TEST_MONGODB_URI=$uri run mongo '{"serverStatus": 1}'
  assert_match '"total": 0\b'
  assert_match '"threaded": [0-9]\b'
}

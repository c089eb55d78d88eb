#!/usr/bin/env bats
# The sandbox as whoever starts it meets it. What it answers to clients is in traces.bats and clients.bats.

load helpers/helpers
load helpers/listening
load helpers/traces

@test "the sandbox prints its URI, then ready, and answers at once, on loopback only" {
  own_sandbox
  assert_equal "$(grep -n . sandbox.out | grep -E 'mongodb://|ready' | cut -d: -f1 | paste -sd' ')" "2 3"
  run mongo '{"ping": 1}'
  assert_success
  for address in 127.0.0.2 $(hostname -I); do
    ! (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null || fail "it answers on $address, too"
  done
}

@test "a document is kept with its _id in front, wherever the client had it, and gets one if it has none" {
  run mongo '{"insert": "accounts", "documents": [{"a": 1, "_id": 7, "b": 2}, {"a": 2}, {"_id": null}]}'
  assert_success
  run documents
  assert_line '{"_id": 7, "a": 1, "b": 2}'
  assert_line --regexp '^\{"_id": \{"\$oid": "[0-9a-f]{24}"\}, "a": 2\}$'
  assert_line '{"_id": null}'
}

@test "what an update changed comes in the order of a server: changed, new, then what is inside of others" {
  own_sandbox
  mongo '{"insert": "accounts", "documents": [{"_id": 1, "in": {"b": 1}, "list": [1, {"x": 1}], "old": 1}]}'
  start listener --json
  wait_for listener.err '^Resume listener thread started'
  mongo '{"update": "accounts", "updates": [{"q": {"_id": 1},
    "u": {"$set": {"list.1.x": 2, "in.b": 2, "in.a": 1, "z": 1,
    "new": 1, "old": 2, "list.0": 2}}}]}'
  wait_for listener.out '"updatedFields": '\
'\{"old": 2, "new": 1, "z": 1, "in.b": 2, "in.a": 1, "list.0": 2, "list.1.x": 2\}'
}

@test "a port that is taken is an error that says what to do" {
  own_sandbox
  script_fails 1 "^sandbox: port $port cannot be taken .*--port" sandbox --port "$port"
  refute_output
}

@test "the sandbox ends on Ctrl-C and on TERM, and gives its port back" {
  own_sandbox
  signal sandbox INT
  wait_exit sandbox
  assert_failure 130
  start again=sandbox --port "$port"
  wait_for again.out '^ready$'
  signal again TERM
  wait_exit again
  assert_failure 143
  assert_equal "$stderr" ""
}

@test "--like an older MongoDB it tells clients so, and refuses pre-images as that one does" {
  own_sandbox --like 5.0
  run mongo '{"hello": 1}' '{"buildInfo": 1}'
  assert_regex "${lines[0]}" '"maxWireVersion": 13[^0-9]'
  assert_regex "${lines[1]}" '"version": "5\.0\.0", "versionArray": \[5, 0, 0, 0\]'
  run mongo '{"create": "accounts", "changeStreamPreAndPostImages": {"enabled": true}}'
  assert_output --partial '"code": 40415,'
  run mongo '{"listCollections": 1}'
  refute_output
  listen # asks for none
  write_all_kinds 1
  shows_all_kinds
}

@test "--help says what the sandbox is not, and an option that makes no sense is refused" {
  run --separate-stderr script sandbox --help
  assert_success
  for words in 'keeps nothing when it ends' 'asks for no password' 'nothing but this demo' \
    configureFailPoint 'Default: 27017'; do
    assert_regex "$(tr -s ' \n' ' ' <<<"$output")" "$words"
  done
  for bad in "--port 70000" "--port none" "--oplog-size 0" "--like 3.6" "--durable"; do
    # shellcheck disable=SC2086 # option and value are two words
    start "bad${bad//[^a-z0-9]/_}=sandbox" $bad
  done
  for bad in "${started[@]}"; do
    wait_exit "$bad"
    assert_failure 2
    assert_equal "$output" ""
  done
}

@test "a stream that comes back too late, or to another collection, is told so in the ways of a server" {
  own_sandbox --oplog-size 10
  play history-lost.json
}

@test "pre- and post-images, stages and refusals are as the manual has them" {
  play pre-images.json by-the-manual.json
}

@test "a value that looks like an expression is a value, in streams, finds and aggregations" {
  play data-is-data.json
}

@test "\$project, \$addFields and \$set go through embedded documents and arrays, alike wherever they stand" {
  play projection.json
}

@test "each collection's indexes are its own, and a duplicate key says of which" {
  play indexes.json
}

@test "what is not done is refused, and said with what is done" {
  play refused.json
}

@test "faults on demand are as MongoDB's own: with the labels of a server, and no others" {
  own_sandbox # which counts them from its start
  play fail-command.json
}

@test "a fault may be for one client only, by its appName" {
  own_sandbox
  local database=admin
  mongo '{"configureFailPoint": "failCommand", "mode": "alwaysOn",
    "data": {"failCommands": ["ping"], "errorCode": 189, "appName": "this one"}}'
  TEST_MONGODB_URI="$TEST_MONGODB_URI&appName=another" run mongo '{"ping": 1}'
  assert_success
  TEST_MONGODB_URI="$TEST_MONGODB_URI&appName=this+one" run mongo '{"ping": 1}'
  assert_failure 1
  assert_line --regexp '"code": 189'
}

@test "a note that looks like an expression, or a DBRef, ends no stream of the listener, nor its next start" {
  write "$(insert "$(customer 1 Ann 10 10)")"
  listen --token-file tokens
  write "$(update 1 '{"$set": {"note": "$100."}}')" "$(update 1 '{"$set": {"note": "$$x"}}')"
  wait_for listener.out '^=== UPDATE EVENT ===$' 2
  ctrl_c
  write "$(update 1 '{"$set": {"note": "$$"}}')" "$(update 1 '{"$set": {"note": {"$ref": "a", "$id": 1}}}')"
  listen --token-file tokens
  wait_for listener.out '^=== UPDATE EVENT ===$' 2
  ctrl_c
}

@test "a deposit whose answer is lost is asked for again, made once and shown once" {
  own_sandbox
  write "$(insert "$(customer 1 Ann 10 10)")"
  listen
  database=admin mongo '{"configureFailPoint": "onPrimaryTransactionalWrite", "mode": {"times": 1}}'
  run --separate-stderr script update --account savings --deposit 100 --delay 0
  assert_success
  # What came before it is on the screen by then.
  write '{"delete": "accounts", "deletes": [{"q": {}, "limit": 1}]}'
  wait_for listener.out '^=== DELETE EVENT ===$'
  database=admin run mongo '{"configureFailPoint": "onPrimaryTransactionalWrite", "mode": "off"}'
  assert_line --regexp '"count": 1[,}]'
  ctrl_c
  assert_equal "$(grep -c '^Updated Savings Balance to: 110' <<<"$output")" 1
  refute_line --regexp 'Balance to: 210'
}

@test "messages that are none end their own connection, and leave no thread and no cursor" {
  own_sandbox
  run script fuzz "$port" 3000 "$RANDOM"
  assert_success
  assert_line "3000 bad messages, 30 change streams opened in between"
  wait_until server_status '"total": 0[,}]'
  wait_until server_status '"threaded": [0-9][,}]'
}

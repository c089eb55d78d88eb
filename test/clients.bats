#!/usr/bin/env bats
# Clients that nobody here wrote do the five operations and resume. (All other tests use the Java driver.)

load helpers/helpers
load helpers/clients

setup() {
  common_setup
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database
}

@test "mongosh: five operations, watch, resume, and the README's spot check" {
  run --separate-stderr "$CLIENTS/.bin/mongosh" "$TEST_MONGODB_URI" --quiet --norc \
    --file "$ROOT/test/clients/mongosh.js"
  assert_success
  assert_line 'events: insert insert update replace replace delete'
  assert_line 'deposit: {"accounts.1.balance":95}'
  assert_line 'resumed: replace delete'
  assert_line 'survived: replace'
  [ -z "${TEST_SANDBOX:-}" ] || {
    assert_line 'failed: true'
    assert_line --regexp "^transaction: Cannot run 'insert' in a multi-document transaction"
  }
  assert_line 'spot check: [{"resumeCounter":1}]'
  assert_line 'counts: 2 2 2 2'
  assert_line "names: [ 'accounts' ] true"
  assert_line --regexp '^server: true 1 '
  assert_line 'batches: 392 290'
  assert_line 'nonsense: 59 CommandNotFound'
  assert_line 'dropped: true 1'
}

@test "PyMongo: five operations, bulk write, watch, resume_after, session" {
  # An old one is welcome: Debian's knows no wire version above 9. Nothing here installs system packages.
  python -c 'import pymongo' 2>/dev/null || skip 'no PyMongo here (apt-get install python3-pymongo)'
  run --separate-stderr python "$ROOT/test/clients/pymongo_client.py"
  assert_success
  assert_line "events: insert insert update replace delete insert"
  assert_line "set: {'n': 2}"
  assert_line "bulk: 1 2 2 1 {4: 3}"
  assert_line "resumed: replace delete insert"
  assert_line "session: [2, 5]"
  assert_line "nonsense: 59"
  [ -z "${TEST_SANDBOX:-}" ] || assert_line "hello: 1.0" # the first of MongoDB 4.4 do not know it
  # A server has transactions; the sandbox says that it has none.
  [ -z "${TEST_SANDBOX:-}" ] || assert_line "transaction: 263"
}

@test "the Node.js driver: five operations, watch with the change event, resumeAfter" {
  NODE_MODULES=$CLIENTS run --separate-stderr node "$ROOT/test/clients/node.mjs"
  assert_success
  assert_line 'events: insert update replace delete insert insert'
  assert_line '_id operationType clusterTime fullDocument ns documentKey'
  assert_line '_id operationType clusterTime fullDocument ns documentKey updateDescription'
  assert_line 'set: {"n":2}'
  assert_line 'resumed: replace delete'
  [ -z "${TEST_SANDBOX:-}" ] ||
    assert_line --regexp "^transaction: Cannot run 'insert' in a multi-document transaction"
  assert_line 'found: 3 2'
  assert_line 'nonsense: 59'
}

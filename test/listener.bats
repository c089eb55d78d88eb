#!/usr/bin/env bats
# The listener, as its audience sees it: what is written to the database, and what comes on the screen.

load helpers
load listening

@test "it says what it watches, then each stream that has started with its filter" {
  listen
  output=$(cat listener.out)
  assert_match '^MongoDB Atlas DB URL: mongodb'
  assert_in_order \
    "Database: $database" \
    'Collection: accounts' \
    '============================================================' \
    'Change Stream Listener' \
    'Change Stream Events currently monitored:' \
    'Insert, Update, Delete, Replace' \
    'Resume functionality is a separate thread' \
    '============================================================' \
    'Starting Change Stream Listener.' \
    'Insert listener thread started.' \
    '==Checking Accounts with negative balance.' \
    'Update listener thread started.' \
    '==Savings Acct w/ balance less than 1000.' \
    'Delete listener thread started.' \
    '==All delete operations.' \
    'Replace listener thread started.' \
    '==Replace operation typically from MongoDB Compass.' \
    'Resume listener thread started.' \
    '==Updates to checking accts w/ balance greater than 100.'

  # Nothing has happened, and each stream sits and waits.
  ctrl_c
  assert_in_order \
    'Insert stream closed, events seen: 0' \
    'Update stream closed, events seen: 0' \
    'Delete stream closed, events seen: 0' \
    'Replace stream closed, events seen: 0' \
    'Resume stream closed, events seen: 0'
  assert_equal "$(grep -c 'stream closed, events seen' listener.out)" 5
  assert_equal "$stderr" ''
}

@test "an insert is shown if the checking account, and not another, is below zero" {
  listen
  write "$(insert "$(customer 1 Eve 5 -1)" | sed s/accounts/elsewhere/)" "$(insert \
    "$(customer 2 Sue -5 10)" \
    "$(customer 3 Tom 5 0)" \
    "$(customer 4 ann 190 -1204)" \
    '{"_id": 5, "email": "bob@example.org", "accounts": [{"type": "checking", "balance": -7}, {"type": "savings", "balance": -8}]}' \
    '{"_id": 6, "accounts": [{"type": "checking", "balance": -0.5}]}' \
    '{"_id": 7, "email": "cid@example.org", "accounts": [{"type": "checking", "balance": 1}, {"type": "checking", "balance": -9}]}' \
    '{"_id": 8, "firstName": "My First Name", "lastName": "My Last Name"}' \
    '{"_id": 9, "email": "dan@example.org", "accounts": []}' \
    '{"_id": 10, "email": "dan@example.org", "accounts": "closed"}' \
    '{"_id": 11, "email": "dan@example.org", "accounts": [null, 5, {"type": "checking"}, {"balance": -1}]}' \
    '{"_id": 12, "email": "dan@example.org", "accounts": [{"type": "checking", "balance": "-1"}]}')" \
    "{\"update\": \"accounts\", \"updates\": [{\"q\": {\"_id\": 13}, \"u\": {\"\$set\": {\"email\": \"last@example.org\",
      \"accounts\": [{\"type\": \"checking\", \"balance\": -4999}]}}, \"upsert\": true}]}"
  wait_for listener.out last@example.org
  assert_equal "$(blocks 'INSERT EVENT')" '=== INSERT EVENT ===
Checking Account with negative balance!
Emailing user: ann@example.org
Checking Acct Balance: -1204

=== INSERT EVENT ===
Checking Account with negative balance!
Emailing user: bob@example.org
Checking Acct Balance: -7

=== INSERT EVENT ===
Checking Account with negative balance!
Emailing user: (no e-mail)
Checking Acct Balance: -0.5

=== INSERT EVENT ===
Checking Account with negative balance!
Emailing user: cid@example.org
Checking Acct Balance: -9

=== INSERT EVENT ===
Checking Account with negative balance!
Emailing user: last@example.org
Checking Acct Balance: -4999'
  assert_equal "$(cat listener.err)" ''
}

@test "each deposit is shown exactly once, with the account's type and the balance it made" {
  listen
  write "$(insert "$(customer 1 Ann 900 -50)" "$(customer 2 Bob 2000 990.5)" \
    '{"_id": 3, "firstName": "Cid", "accounts": [{"type": "checking", "balance": 1}, {"type": "savings", "balance": 2}]}' \
    '{"_id": 4, "accounts": [{"balance": 4}]}')" \
    "$(deposit 1 checking 100)" \
    "$(deposit 1 savings 100)" \
    "$(deposit 2 checking 100)" \
    "$(deposit 2 checking 100)" \
    "$(deposit 3 checking 100)" \
    "$(deposit 3 savings 100)" \
    "$(update 3 '{"$set": {"accounts.0.balance": 2000, "email": "new@example.org", "resumeCounter": 1}}')" \
    "$(update 4 '{"$inc": {"accounts.0.balance": 100}}')"
  # Two deposits at once: the looked-up document holds what the later one wrote.
  write "{\"update\": \"accounts\", \"updates\": [$(change 1 '{"$inc": {"accounts.1.balance": 10}}'),
    $(change 1 '{"$inc": {"accounts.1.balance": 20}}')]}" "$(update 1 '{"$set": {"accounts.0.balance": 0}}')"
  wait_for listener.out '^Updated Savings Balance to: 0$'
  assert_equal "$(blocks 'UPDATE EVENT')" '=== UPDATE EVENT ===
Checking Account Deposit
Customer: Ann Smith
Updated Checking Balance to: 50

=== UPDATE EVENT ===
Savings Account Deposit
Customer: Ann Smith
Updated Savings Balance to: 1000

=== UPDATE EVENT ===
Checking Account Deposit
Customer: Bob Smith
Updated Checking Balance to: 1090.5

=== UPDATE EVENT ===
Checking Account Deposit
Customer: Cid
Updated Checking Balance to: 101

=== UPDATE EVENT ===
Savings Account Deposit
Customer: Cid
Updated Savings Balance to: 102

=== UPDATE EVENT ===
Checking Account Deposit
Customer: Cid
Updated Checking Balance to: 2000

=== UPDATE EVENT ===
Account Deposit
Customer: _id 4
Updated Balance to: 104

=== UPDATE EVENT ===
Checking Account Deposit
Customer: Ann Smith
Updated Checking Balance to: 60

=== UPDATE EVENT ===
Checking Account Deposit
Customer: Ann Smith
Updated Checking Balance to: 80

=== UPDATE EVENT ===
Savings Account Deposit
Customer: Ann Smith
Updated Savings Balance to: 0'
}

@test "a deposit shows its own balance even if the customer was changed or deleted before the look-up" {
  listen
  # While the listener is halted nothing is looked up, but for the one event that it was waiting for.
  signal listener STOP
  write "$(insert "$(customer 1 Ann 5 900)" "$(customer 2 Bob 5 90)" "$(customer 3 Cid 5 5)")" "$(deposit 3 savings 1)"
  write "$(deposit 1 checking 100)" \
    "$(update 1 '{"$set": {"accounts.1.balance": 5, "firstName": "Anna"}}')" \
    "$(deposit 2 checking 100)" \
    '{"delete": "accounts", "deletes": [{"q": {"_id": 2}, "limit": 1}]}' \
    "$(deposit 3 savings 2)"
  signal listener CONT
  wait_for listener.out '^Updated Savings Balance to: 8$'
  assert_equal "$(blocks 'UPDATE EVENT' | tail -n +6)" '=== UPDATE EVENT ===
Checking Account Deposit
Customer: Anna Smith
Updated Checking Balance to: 1000

=== UPDATE EVENT ===
Checking Account Deposit
Customer: Anna Smith
Updated Checking Balance to: 5

=== UPDATE EVENT ===
Account Deposit
Customer: _id 2
Updated Balance to: 190

=== UPDATE EVENT ===
Savings Account Deposit
Customer: Cid Smith
Updated Savings Balance to: 8'
}

@test "an update that names no balance is shown as an edit with its fields, one of the counter alone is not" {
  listen
  write "$(insert "$(customer 1 Ann 5 5)" '{"_id": "x", "accounts": "closed"}')" \
    "$(update 1 '{"$set": {"address.city": "Oslo", "email": "new@example.org"}}')" \
    "$(counter 1 1)" \
    "$(update 1 '{"$set": {"address.city": "Bern", "resumeCounter": 2}}')" \
    "$(update 1 '{"$unset": {"resumeCounter": ""}}')" \
    "$(update 1 '{"$unset": {"email": ""}}')" \
    "$(update 1 '{"$set": {"email": "ann@example.org"}, "$unset": {"address.city": ""}}')" \
    "$(update 1 '{"$set": {"accounts.1": {"type": "checking", "balance": 7}}}')" \
    "$(update 1 '{"$push": {"accounts": {"type": "savings", "balance": 8}}}')" \
    "$(update 1 '{"$inc": {"accounts.$[].balance": 100}}')" \
    "$(update 1 '{"$set": {"accounts": [{"type": "checking", "balance": 9}]}}')" \
    "$(update 1 '{"$unset": {"accounts.0.balance": ""}}')" \
    "$(update '"x"' '{"$set": {"accounts": "open"}}')" \
    "$(update '"x"' '{"$set": {"last": true}}')"
  wait_for listener.out '^Changed fields: last$'
  assert_equal "$(blocks 'UPDATE EVENT')" '=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: address.city, email

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: address.city, resumeCounter

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: email

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: email, address.city

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: accounts.1

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: accounts.2

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: accounts

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: accounts

=== UPDATE EVENT ===
Customer edited
Customer: Ann Smith
Changed fields: accounts.0.balance

=== UPDATE EVENT ===
Customer edited
Customer: _id x
Changed fields: accounts

=== UPDATE EVENT ===
Customer edited
Customer: _id x
Changed fields: last'
  # The resume stream has both counters, and not the one that was taken away.
  ctrl_c
  assert_match '^Resume stream closed, events seen: 2, counters 1\.\.2, 0 missed, 0 repeated$'
}

@test "every delete is shown, and every replace with the whole event as JSON that others can read" {
  listen
  write "$(insert "$(customer 1 Ann 5 5)" "$(customer 2 Bob 5 5)" '{"_id": {"$oid": "5c62fb000000000000000001"}}' '{"_id": "x"}')" \
    "$(update 1 '{"firstName": "Anna", "accounts": [{"type": "savings", "balance": 1}]}')" \
    '{"findAndModify": "accounts", "query": {"_id": 2}, "update": {"firstName": "Bobby"}}' \
    '{"delete": "accounts", "deletes": [{"q": {"_id": {"$oid": "5c62fb000000000000000001"}}, "limit": 1}, {"q": {"_id": 7}, "limit": 1}]}' \
    '{"findAndModify": "accounts", "query": {"_id": "x"}, "remove": true}' \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '^Customer _id: 2$'
  wait_for listener.out '^=== REPLACE EVENT ===$' 2
  assert_equal "$(blocks 'DELETE EVENT')" '=== DELETE EVENT ===
Customer deleted from collection: accounts
Customer _id: 5c62fb000000000000000001

=== DELETE EVENT ===
Customer deleted from collection: accounts
Customer _id: x

=== DELETE EVENT ===
Customer deleted from collection: accounts
Customer _id: 1

=== DELETE EVENT ===
Customer deleted from collection: accounts
Customer _id: 2'

  output=$(blocks 'REPLACE EVENT')
  assert_equal "$(sed -n 2p <<<"$output")" 'Did this change occur in MongoDB Compass?'
  assert_match '^ +"operationType": "replace",?$' # a line of its own
  local events
  events=$(grep -vE '^(===.*|Did .*)$' <<<"$output" | sed 's/^$/,/')
  write "{\"insert\": \"pasted\", \"documents\": [$events]}"
  assert_equal "$(mongo '{"find": "pasted", "projection": {"_id": 0, "operationType": 1, "ns": 1, "documentKey": 1, "fullDocument": 1}}')" \
    '{"operationType": "replace", "ns": {"db": "'"$database"'", "coll": "accounts"}, "documentKey": {"_id": 1}, "fullDocument": {"_id": 1, "firstName": "Anna", "accounts": [{"type": "savings", "balance": 1}]}}
{"operationType": "replace", "ns": {"db": "'"$database"'", "coll": "accounts"}, "documentKey": {"_id": 2}, "fullDocument": {"_id": 2, "firstName": "Bobby"}}'
}

@test "the resume stream fails after 5 events, and goes on with the very next counter" {
  listen --fail-after 5 --fail-for 1
  local numbers
  numbers=$(for i in {1..12}; do change 1 "{\"\$set\": {\"resumeCounter\": $i}}"; done)
  write "$(insert '{"_id": 1}')" "{\"update\": \"accounts\", \"updates\": [${numbers//$'\n'/,}]}"
  wait_for listener.out '^Counter value: 12$'

  event() { printf '%s\n' '=== RESUME EXAMPLE ===' 'Resume token: TOKEN' "Counter value: $1" ''; }
  failure() {
    printf '%s\n' "Resume Counter: $1" 'Simulate failure for 1 seconds...' 'Resume Change Stream closed.' \
      'Restart Change Stream with resume token: TOKEN' "counters 1..$1, 0 missed, 0 repeated"
  }
  assert_equal "$(sed -n '/^=== RESUME/,$p' listener.out | sed "s/{'_data': .*}/TOKEN/")" "$(
    for i in {1..5}; do event $i; done
    failure 5
    for i in {6..10}; do event $i; done
    failure 10
    event 11
    event 12
  )"

  token() { sed -n "s/^$1: //p" listener.out | sed -n "$2p"; }
  assert_equal "$(token 'Resume token' '1,$' | sort -u | wc -l | tr -d ' ')" 12
  assert_equal "$(token 'Restart Change Stream with resume token' 1)" "$(token 'Resume token' 5)"
  assert_equal "$(token 'Restart Change Stream with resume token' 2)" "$(token 'Resume token' 10)"

  ctrl_c
  assert_line 'Resume stream closed, events seen: 12, counters 1..12, 0 missed, 0 repeated'
  assert_line 'Update stream closed, events seen: 0'
}

@test "during the failure its cursor is closed, the other streams go on, and Ctrl-C ends it at once" {
  own_sandbox # where nobody else has cursors
  listen --fail-after 1 --fail-for 3600
  open_cursors() { database=admin mongo '{"serverStatus": 1}' | sed -nE 's/.*"open": \{[^}]*"total": ([0-9]+).*/\1/p'; }
  local before during
  before=$(open_cursors)
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)"
  wait_for listener.out '^Simulate failure for 3600 seconds\.\.\.$'
  write "$(counter 1 2)" "$(insert "$(customer 2 bob 5 -1)")"
  wait_for listener.out '^Emailing user: bob@example.org$'
  during=$(open_cursors)
  assert_equal "$during" $((before - 1))

  ctrl_c
  refute_line 'Counter value: 2'
  assert_line 'Insert stream closed, events seen: 2'
  assert_line 'Resume stream closed, events seen: 1, counters 1..1, 0 missed, 0 repeated'
}

@test "the summary says which counters came, how many were missed and how many came twice" {
  listen --fail-after 0
  write "$(insert '{"_id": 1}' '{"_id": 2}')" "$(counter 1 7)" "$(counter 1 8)" "$(counter 1 10)" "$(counter 2 10)" \
    "$(counter 2 11)" "$(counter 2 '"none"')" "$(counter 1 15)"
  wait_for listener.out '^Counter value: 15$'
  ctrl_c 1 # some are missed
  assert_line 'Counter value: none'
  assert_line 'Resume stream closed, events seen: 7, counters 7..15, 4 missed, 1 repeated'
}

@test "in a burst of 1000 events of all kinds no block is torn apart, and each stream counts its own" {
  listen --fail-after 0
  local n=200 documents numbers replacements
  documents=$(for ((i = 1; i <= n; i++)); do customer $i ann 5 -1; done)
  numbers=$(for ((i = 1; i <= n; i++)); do change $i "{\"\$set\": {\"resumeCounter\": $i}}"; done)
  replacements=$(for ((i = 1; i <= n; i++)); do change $i "{\"firstName\": \"Ann\"}"; done)
  # Halted, so that all five streams find work at the same moment.
  signal listener STOP
  write "$(insert "${documents//$'\n'/,}")" \
    '{"update": "accounts", "updates": [{"q": {}, "u": {"$inc": {"accounts.1.balance": 1}}, "multi": true}]}' \
    "{\"update\": \"accounts\", \"updates\": [${numbers//$'\n'/,}]}" \
    "{\"update\": \"accounts\", \"updates\": [${replacements//$'\n'/,}]}" \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  signal listener CONT
  for kind in 'INSERT EVENT' 'UPDATE EVENT' 'RESUME EXAMPLE' 'REPLACE EVENT' 'DELETE EVENT'; do
    wait_for listener.out "=== $kind ===" $n
  done
  ctrl_c

  # One block a paragraph: its lines, joined by |, must be those of one kind.
  local torn
  torn=$(sed -n '/^=== /,$p' listener.out | sed '/stream closed, events seen/d' | awk 'BEGIN {RS = ""; FS = "\n"} {
      $1 = $1; gsub(/\n/, "|"); blocks++
      if (gsub(/=== [A-Z]+ (EVENT|EXAMPLE) ===/, "&") != 1 ||
          !/^=== INSERT EVENT ===.Checking Account with negative balance!.Emailing user: [a-z@.]+.Checking Acct Balance: -1$/ &&
          !/^=== UPDATE EVENT ===.[A-Za-z ]*Account Deposit.Customer: [A-Za-z_0-9 ]+.Updated [A-Za-z ]*Balance to: 0$/ &&
          !/^=== DELETE EVENT ===.Customer deleted from collection: accounts.Customer _id: [0-9]+$/ &&
          !/^=== REPLACE EVENT ===.Did this change occur in MongoDB Compass\?.{.*}$/ &&
          !/^=== RESUME EXAMPLE ===.Resume token: {[^{}]+}.Counter value: [0-9]+$/) print
    } END {print blocks " blocks"}' OFS='|')
  assert_equal "$torn" "$((5 * n)) blocks"
  assert_line "Insert stream closed, events seen: $n"
  assert_line "Update stream closed, events seen: $n"
  assert_line "Delete stream closed, events seen: $n"
  assert_line "Replace stream closed, events seen: $n"
  assert_line "Resume stream closed, events seen: $n, counters 1..$n, 0 missed, 0 repeated"
  refute_match '^Simulate failure'
}

# Also while the resume stream has failed: then it comes back to a collection that is gone.
@test "a dropped collection, twice in a row, ends no stream and hides nothing that comes after" {
  listen --fail-after 1 --fail-for 1
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)" \
    '{"drop": "accounts"}' \
    "$(insert "$(customer 1 bob 5 -1)")" "$(counter 1 1)" \
    '{"drop": "accounts"}' \
    "$(insert "$(customer 1 cid 5 -1)")" "$(counter 1 1)" "$(deposit 1 savings 1)" "$(update 1 '{"email": "new"}')" \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '^Simulate failure' 3
  for stream in Insert Update Delete Replace Resume; do
    wait_for listener.out "^$stream stream: collection accounts was dropped" 2
  done
  for kind in 'INSERT EVENT' 'UPDATE EVENT' 'DELETE EVENT' 'REPLACE EVENT'; do
    wait_for listener.out "=== $kind ==="
  done
  wait_for listener.out '^Emailing user: cid@example.org$'
  ctrl_c
  assert_in_order 'Emailing user: ann@example.org' 'Emailing user: bob@example.org' 'Emailing user: cid@example.org'
  assert_equal "$(grep -c 'stream: collection accounts was dropped' listener.out)" 10
  assert_line 'Insert stream closed, events seen: 3'
  assert_line 'Update stream closed, events seen: 1'
  assert_line 'Delete stream closed, events seen: 1'
  assert_line 'Replace stream closed, events seen: 1'
  # Numbering begins at 1 with each new collection: nothing came twice.
  assert_line 'Resume stream closed, events seen: 3, counters 1..1, 0 missed, 0 repeated'
}

@test "a renamed collection and a dropped database end no stream either, those of others are not mentioned" {
  listen
  write "$(insert "$(customer 1 ann 5 -1)")" '{"create": "others"}' '{"drop": "others"}'
  database=admin mongo "{\"renameCollection\": \"$database.accounts\", \"to\": \"$database.renamed\"}"
  write "$(insert "$(customer 1 bob 5 -1)")" '{"dropDatabase": 1}' "$(insert "$(customer 1 cid 5 -1)")" "$(counter 1 1)"
  wait_for listener.out '^Emailing user: cid@example.org$'
  wait_for listener.out '^Counter value: 1$'
  for stream in Insert Update Delete Replace Resume; do
    wait_for listener.out "^$stream stream: collection accounts was dropped or renamed" 2
  done
  ctrl_c
  assert_in_order 'Emailing user: ann@example.org' 'Emailing user: bob@example.org' 'Emailing user: cid@example.org'
  assert_equal "$(grep -c 'stream: collection accounts was dropped' listener.out)" 10
}

@test "a stream that cannot be opened is not called started, and one that is lost ends the listener, not in silence" {
  own_sandbox
  fail_once() { # COMMAND: with an error after which the driver does not try again
    database=admin mongo '{"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": {"failCommands": ["'"$1"'"], "errorCode": 11601}}'
  }
  fail_once aggregate
  fails 1
  assert_match '^listener: ' "$stderr"
  assert_line 'Starting Change Stream Listener.'
  refute_match 'thread started'

  listen
  fail_once getMore
  wait_exit listener
  assert_status 1
  assert_one_line "$stderr"
  assert_match '^listener: ' "$stderr"
}

@test "a connection that breaks costs no event, and a server that stays away is waited for" {
  own_sandbox
  listen --fail-after 0
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": {"failCommands": ["getMore", "aggregate"], "closeConnection": true}}'
  wait_for listener.out ' stream: cannot reach MongoDB' 5 # none still waits for an answer, which could be an event
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)" "$(deposit 1 savings 1)" "$(update 1 '{"email": "new"}')" \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '^Insert stream: cannot reach MongoDB \(.*\)$'
  wait_for listener.out '^Insert stream: waiting for MongoDB since [0-9]+ s$'
  refute_match 'EVENT' "$(cat listener.out)"
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "off"}'
  for kind in 'INSERT EVENT' 'UPDATE EVENT' 'RESUME EXAMPLE' 'REPLACE EVENT' 'DELETE EVENT'; do
    wait_for listener.out "=== $kind ==="
  done
  wait_for listener.out 'stream: MongoDB is back, going on with the resume token' 5
  assert_equal "$(cat listener.err)" ''

  stop sandbox
  wait_for listener.out '^Delete stream: waiting for MongoDB since'
  ctrl_c
  assert_equal "$stderr" ''
  assert_line 'Insert stream closed, events seen: 1'
  assert_line 'Delete stream closed, events seen: 1'
}

@test "a standalone server is refused in one line that says how to get a replica set" {
  own_sandbox --standalone
  fails 1
  assert_match '^listener: .*replica set.*--replSet.*rs\.initiate' "$stderr"
  refute_match 'thread started'
}

@test "a failure that cannot be simulated is refused" {
  for wrong in '--fail-after -1' '--fail-after x' '--fail-for -1'; do
    # shellcheck disable=SC2086 # two words
    fails 2 $wrong
    assert_match "^listener: .*${wrong% *}" "$stderr"
  done
}

@test "--json prints one JSON object per event, and nothing else on standard output" {
  listen_json() { # as listen, whose lines are notices here
    start listener --json "$@"
    wait_for listener.err '^(Insert|Update|Delete|Replace|Resume) listener thread started\.$' 5
  }
  listen_json --fail-after 1 --fail-for 0
  write "$(insert "$(customer 1 ann 5 -1)")" "$(deposit 1 savings 1)" "$(counter 1 1)" "$(update 1 '{"email": "new"}')" \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '"stream": "' 5
  wait_for listener.err '^counters 1\.\.1, 0 missed, 0 repeated$'
  ctrl_c
  assert_match '^Simulate failure' "$stderr"
  write "{\"insert\": \"pasted\", \"documents\": [$(paste -sd, listener.out)]}"
  assert_equal "$(mongo '{"aggregate": "pasted", "cursor": {}, "pipeline": [{"$sort": {"stream": 1}},
      {"$project": {"_id": 0, "stream": 1, "again": 1, "key": "$event.documentKey._id", "type": "$event.operationType"}}]}')" \
    '{"stream": "Delete", "again": false, "key": 1, "type": "delete"}
{"stream": "Insert", "again": false, "key": 1, "type": "insert"}
{"stream": "Replace", "again": false, "key": 1, "type": "replace"}
{"stream": "Resume", "again": false, "key": 1, "type": "update"}
{"stream": "Update", "again": false, "key": 1, "type": "update"}'
  assert_equal "$(grep -cE '^\{"stream": .*"token": \{"_data": "[0-9A-F]+"\}.*\}$' listener.out)" 5
}

@test "headlines are coloured with --color always, and plain when the output is no terminal" {
  listen --color always
  write "$(insert "$(customer 1 ann 5 -1)")"
  wait_for listener.out 'Emailing user: ann'
  assert_match $'^\e\\[1;?m?.*=== INSERT EVENT ===\e\\[' "$(cat listener.out)"
  ctrl_c
  listen
  write "$(insert "$(customer 2 bob 5 -1)")"
  wait_for listener.out 'Emailing user: bob'
  refute_match $'\e' "$(cat listener.out)"
  ctrl_c
  fails 2 --color sometimes
  assert_match '^listener: .*--color' "$stderr"
}

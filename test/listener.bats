# The listener, as its audience sees it: what is written to the database, and what comes on the screen.

load helpers/helpers
load helpers/listening

@test "it says what it watches, then each stream that has started, with its filter broken between words" {
  listen
  assert_regex "$(head -n 1 listener.out)" '^Hosts: \[[a-z0-9]'
  assert_equal "$(tail -n +2 listener.out)" \
    "$(printf '%s\n' "Database: $database" 'Collection: accounts' &&
      cat "$ROOT/test/transcripts/listener.txt")"

  # Nothing has happened, and each stream sits and waits.
  ctrl_c
  assert_equal "$(tail -n 5 <<<"$output")" \
    "$(printf '%s stream closed, events seen: 0\n' Insert Update Delete Replace Resume)"
  assert_equal "$stderr" ''
}

@test "the streams are opened side by side; what happens while they are being opened is shown" {
  own_sandbox
  fault '"alwaysOn"' '"blockConnection": true, "blockTimeMS": 6000' aggregate # one after the other: 30 s
  start listener
  wait_for listener.out '^Starting Change Stream Listener'
  write_all_kinds 1
  refute_regex "$(cat listener.out)" 'thread started'
  wait_for listener.out '^Resume listener thread started' 1 20
  shows_all_kinds
}

@test "a cut while the streams are being opened is survived" {
  own_sandbox
  fault '"alwaysOn"' '"closeConnection": true' aggregate
  start listener
  wait_for listener.out '^No answer from MongoDB for 3 s'
  heal
  wait_for listener.out '^Resume listener thread started'
  write_all_kinds 1
  shows_all_kinds
}

@test "an insert is shown if the checking account, and not another, is below zero" {
  listen
  write "$(insert "$(customer 1 Eve 5 -1)" | sed s/accounts/elsewhere/)" "$(insert \
    "$(customer 2 Sue -5 10)" \
    "$(customer 3 Tom 5 0)" \
    "$(customer 4 ann 190 -1204)" \
    '{"_id": 5, "email": "bob@example.org",
      "accounts": [{"type": "checking", "balance": -7}, {"type": "savings", "balance": -8}]}' \
    '{"_id": 6, "accounts": [{"type": "checking", "balance": -0.5}]}' \
    '{"_id": 7, "email": "cid@example.org",
      "accounts": [{"type": "checking", "balance": 1}, {"type": "checking", "balance": -9}]}' \
    '{"_id": 8, "firstName": "My First Name", "lastName": "My Last Name"}' \
    '{"_id": 9, "email": "dan@example.org", "accounts": []}' \
    '{"_id": 10, "email": "dan@example.org", "accounts": "closed"}' \
    '{"_id": 11, "email": "dan@example.org", "accounts": [null, 5, {"type": "checking"}, {"balance": -1}]}' \
    '{"_id": 12, "email": "dan@example.org", "accounts": [{"type": "checking", "balance": "-1"}]}')" \
    '{"update": "accounts", "updates": [{"q": {"_id": 13}, "u": {"$set": {"email": "last@example.org",
      "accounts": [{"type": "checking", "balance": -4999}]}}, "upsert": true}]}'
  wait_for listener.out last@example.org
  local shown='Checking Account with negative balance! | Emailing user: %s | Checking Acct Balance: %s\n'
  # shellcheck disable=SC2059
  assert_equal "$(shown 'INSERT EVENT')" "$(printf "$shown" \
    ann@example.org -1204 bob@example.org -7 null -0.5 cid@example.org -9 last@example.org -4999)"
  assert_equal "$(cat listener.err)" ''
}

@test "each deposit is shown exactly once, with the account's type and the balance it made" {
  listen
  write "$(insert "$(customer 1 Ann 900 -50)" "$(customer 2 Bob 2000 990.5)" \
    '{"_id": 3, "firstName": "Cid", "lastName": "Roe",
      "accounts": [{"type": "checking", "balance": 1}, {"type": "savings", "balance": 2}]}')" \
    "$(deposit 1 checking 100)" \
    "$(deposit 1 savings 100)" \
    "$(deposit 2 checking 100)" \
    "$(deposit 2 checking 100)" \
    "$(deposit 3 checking 100)" \
    "$(deposit 3 savings 100)" \
    "$(update 3 '{"$set": {"accounts.0.balance": 2000, "email": "new@example.org"}}')"
  # Two deposits at once: the looked-up document holds what the later one wrote.
  write "{\"update\": \"accounts\", \"updates\": [$(change 1 '{"$inc": {"accounts.1.balance": 10}}'),
    $(change 1 '{"$inc": {"accounts.1.balance": 20}}')]}" "$(update 1 '{"$set": {"accounts.0.balance": 0}}')"
  wait_for listener.out '^Updated Savings Balance to: 0$'
  assert_equal "$(shown 'UPDATE EVENT')" \
    'Checking Account Deposit | Customer: Ann Smith | Updated Checking Balance to: 50
Savings Account Deposit | Customer: Ann Smith | Updated Savings Balance to: 1000
Checking Account Deposit | Customer: Bob Smith | Updated Checking Balance to: 1090.5
Checking Account Deposit | Customer: Cid Roe | Updated Checking Balance to: 101
Savings Account Deposit | Customer: Cid Roe | Updated Savings Balance to: 102
Checking Account Deposit | Customer: Cid Roe | Updated Checking Balance to: 2000 | '\
'Changed fields: {"email": "new@example.org"}
Checking Account Deposit | Customer: Ann Smith | Updated Checking Balance to: 60
Checking Account Deposit | Customer: Ann Smith | Updated Checking Balance to: 80
Savings Account Deposit | Customer: Ann Smith | Updated Savings Balance to: 0'
}

@test "a deposit shows its own balance even if the customer was changed or deleted before the look-up" {
  listen
  # While the listener is halted nothing is looked up, but for the one event that it was waiting for.
  signal listener STOP
  write "$(insert "$(customer 1 Ann 5 900)" "$(customer 2 Bob 5 90)" "$(customer 3 Cid 5 5)")" \
    "$(deposit 3 savings 1)"
  write "$(deposit 1 checking 100)" \
    "$(update 1 '{"$set": {"accounts.1.balance": 5, "firstName": "Anna"}}')" \
    "$(deposit 2 checking 100)" \
    '{"delete": "accounts", "deletes": [{"q": {"_id": 2}, "limit": 1}]}' \
    "$(deposit 3 savings 2)"
  signal listener CONT
  wait_for listener.out '^Updated Savings Balance to: 8$'
  assert_equal "$(shown 'UPDATE EVENT' | tail -n +2)" \
    'Checking Account Deposit | Customer: Anna Smith | Updated Checking Balance to: 1000
Checking Account Deposit | Customer: Anna Smith | Updated Checking Balance to: 5 | '\
'Changed fields: {"firstName": "Anna"}
Customer edited | Customer: _id 2 | Changed fields: {"accounts.1.balance": 190}
Savings Account Deposit | Customer: Cid Smith | Updated Savings Balance to: 8'
}

@test "an update that names no balance is shown as an edit with its fields, one of the counter alone is not" {
  listen
  write "$(insert "$(customer 1 Ann 5 5)")" \
    "$(update 1 '{"$set": {"email": "new@example.org", "address.city": "Oslo"}}')" \
    "$(counter 1 1)" \
    "$(update 1 '{"$set": {"address.city": "Bern", "resumeCounter": 2}}')" \
    "$(update 1 '{"$set": {"email": "ann@example.org"}, "$unset": {"address.city": ""}}')" \
    "$(update 1 '{"$set": {"accounts.1": {"type": "checking", "balance": 7}}}')" \
    "$(update 1 '{"$push": {"accounts": {"type": "savings", "balance": 8}}}')" \
    "$(update 1 '{"$set": {"accounts": [{"type": "checking", "balance": 9}]}}')" \
    "$(update 1 '{"$unset": {"accounts.0.balance": ""}}')" \
    "$(update 1 '{"$set": {"last": true}}')"
  wait_for listener.out '^Changed fields: \{"last": true\}$'
  assert_equal "$(shown 'UPDATE EVENT')" \
    "$(printf 'Customer edited | Customer: Ann Smith | Changed fields: {%s}\n' \
    '"email": "new@example.org", "address.city": "Oslo"' \
    '"email": "ann@example.org", "address.city": "(removed)"' \
    '"accounts.1": {"type": "checking", "balance": 7}' '"accounts.2": {"type": "savings", "balance": 8}' \
    '"accounts": [{"type": "checking", "balance": 9}]' '"accounts.0.balance": "(removed)"' '"last": true')"
  ctrl_c
  assert_line 'Resume stream closed, events seen: 2, counters 1..2, 0 missed, 0 repeated'
}

@test "every delete is shown, and every replace with the whole event as JSON that others can read" {
  listen
  local uuid='{"$binary": {"base64": "w6G1yHouT0OdCw9PfwobLA==", "subType": "04"}}'
  local at='{"$date": "2024-02-29T12:00:00Z"}' oid='{"$oid": "5c62fb000000000000000001"}'
  write "$(insert "$(customer 1 Ann 5 5)" "$(customer 2 Bob 5 5)" "{\"_id\": $oid}" '{"_id": "x"}' \
    "{\"_id\": $uuid}" "{\"_id\": $at}" '{"_id": {"bank": 1, "branch": "b"}}')" \
    "$(update 1 '{"firstName": "Anna", "lastName": "Roe",
      "accounts": [{"type": "savings", "balance": 1}]}')" \
    '{"findAndModify": "accounts", "query": {"_id": 2}, "update": {"firstName": "Bobby"}}' \
    "{\"delete\": \"accounts\", \"deletes\": [{\"q\": {\"_id\": $oid}, \"limit\": 1}]}" \
    '{"delete": "accounts", "deletes": [{"q": {"_id": 7}, "limit": 1}]}' \
    '{"findAndModify": "accounts", "query": {"_id": "x"}, "remove": true}' \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '^=== DELETE EVENT ===$' 7
  wait_for listener.out '^=== REPLACE EVENT ===$' 2
  # As MongoDB's own tools print them.
  assert_equal "$(shown 'DELETE EVENT')" \
    "$(printf 'Customer deleted from collection: accounts | Customer _id: %s\n' \
    5c62fb000000000000000001 x 1 2 c3a1b5c8-7a2e-4f43-9d0b-0f4f7f0a1b2c "{\"_id\": $at}" \
    '{"_id": {"bank": 1, "branch": "b"}}')"

  assert_equal "$(shown 'REPLACE EVENT' | cut -d'{' -f1)" \
    "$(printf 'Customer replaced, as by the JSON view of MongoDB Compass | Customer: %s | \n' \
      'Anna Roe' '_id 2')"
  local documents=$(shown 'REPLACE EVENT' | sed 's/^[^{]*//' | paste -sd, -)
  write "{\"insert\": \"pasted\", \"documents\": [$documents]}"
  event() { # ID CUSTOMER
    echo "{\"documentKey\": {\"_id\": $1}, \"fullDocument\": {\"_id\": $1, $2}," \
      "\"ns\": {\"db\": \"$database\", \"coll\": \"accounts\"}, \"operationType\": \"replace\"}"
  }
  local fields='{"_id": 0, "documentKey": 1, "fullDocument": 1, "ns": 1, "operationType": 1}'
  assert_equal "$(mongo "{\"find\": \"pasted\", \"projection\": $fields}")" "$(
    event 1 '"firstName": "Anna", "lastName": "Roe", "accounts": [{"type": "savings", "balance": 1}]'
    event 2 '"firstName": "Bobby"'
  )"
}

@test "a customer of another shape, or with control characters, forges no block and ends no stream" {
  listen --fail-after 0
  # Clears the screen, begins a block, turns the line round.
  local evil='\u001b[2J\u009b2J\r\n\n=== DELETE EVENT ===\n\u202e'
  write "$(insert "$(customer 1 "$evil" 5 -1)" "$(customer 2 Ann 5 -1)" '{"_id": 3, "accounts": "closed"}')" \
    "$(update 1 "{\"\$set\": {\"email\": \"$evil\", \"$evil\": 1}}")" \
    "$(update 3 '{"$set": {"accounts": "open"}}')" \
    "$(update 1 "{\"firstName\": \"$evil\"}")" \
    "$(counter 2 3000000000)" "$(counter 2 '[1]')" "$(counter 2 '"many"')" "$(counter 2 3000000001)" \
    "$(counter 1 3000000005)" "$(counter 2 3000000005)" "$(counter 1 3000000004)" \
    "$(update 2 '{"$set": {"accounts.1.balance": "much"}}')" \
    "$(update 2 '{"$set": {"lastName": "\u0646\u200c\u0647"}}')"
  wait_for listener.out '^Counter value: 3000000004$'
  wait_for listener.out '^=== UPDATE EVENT ===$' 4
  wait_for listener.out '^=== REPLACE EVENT ===$'
  run cat listener.out
  refute_line --regexp "^=== DELETE|"$'[\001-\011\013-\037]|\u202e|\u009b'
  assert_equal "$(shown 'INSERT EVENT' | grep -c ' | Emailing user: ')" 2
  assert_equal "$(shown 'UPDATE EVENT' |
    sed -E 's/^\{.*"(open|much)".* \| As JSON, because of .*/\1/; s/ \| .*//' |
    sort | xargs)" 'Customer edited Customer edited much open'
  assert_line $'Customer: Ann \u0646\u200c\u0647' # joiners are letters of a name
  run shown 'RESUME EXAMPLE'
  assert_line --regexp '^\{.*"resumeCounter": \[1\]'
  ctrl_c 1 # as numbers are missing
  assert_line 'Resume stream closed, events seen: 7, counters 3000000000..3000000005, 3 missed, 2 repeated'
}

@test "the resume stream fails after 5 events, and goes on with the very next counter" {
  listen --fail-after 5 --fail-for 3
  write "$(insert '{"_id": 1}')" "$(counters 1 12)"
  wait_for listener.out '^Resume Change Stream closed' # at once, and not when it is opened again
  refute_regex "$(cat listener.out)" 'Restart|Counter value: 6'
  wait_for listener.out '^Counter value: 12$'

  event() { printf '%s\n' '=== RESUME EXAMPLE ===' 'Resume token: TOKEN' "Counter value: $1" ''; }
  failure() {
    printf '%s\n' "Resume Counter: $1" 'Simulate failure for 3 seconds...' 'Resume Change Stream closed.' \
      'Restart Change Stream with resume token: TOKEN' "counters 1..$1, 0 missed, 0 repeated" ''
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
  assert_equal "$(token 'Resume token' '1,$' | sort -u | grep -c .)" 12
  assert_equal "$(token 'Restart Change Stream with resume token' 1)" "$(token 'Resume token' 5)"
  assert_equal "$(token 'Restart Change Stream with resume token' 2)" "$(token 'Resume token' 10)"

  ctrl_c
  assert_line 'Resume stream closed, events seen: 12, counters 1..12, 0 missed, 0 repeated'
}

@test "during the failure its cursor is closed, the other streams go on, and Ctrl-C ends it at once" {
  own_sandbox # where nobody else has cursors
  listen --fail-after 1 --fail-for 3600
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

@test "in a burst of 1000 events of all kinds no block is torn apart, and each stream counts its own" {
  local n=200
  customers() { each "$1" "$2" "$(customer '&' ann 5 -1)"; } # FROM TO
  write "$(insert "$(customers 201 600)")"
  listen --fail-after 0
  # Halted, so that all five streams find work at the same moment.
  signal listener STOP
  write "$(insert "$(customers 1 $n)")" "$(counters 1 $n)" \
    "{\"update\": \"accounts\", \"updates\": [$(each 201 400 "$(change '&' '{"firstName": "Ann"}')")]}" \
    '{"update": "accounts", "updates": [
      {"q": {"_id": {"$lte": 200}}, "u": {"$inc": {"accounts.1.balance": 1}}, "multi": true}]}' \
    '{"delete": "accounts", "deletes": [{"q": {"_id": {"$gt": 400}}, "limit": 0}]}'
  signal listener CONT
  shows_all_kinds $n
  ctrl_c

  # One block a paragraph: each kind has its headline, and its number of lines.
  assert_equal "$(sed -n '/^=== /,$p' listener.out | sed '/stream closed, events seen/d' |
    awk 'BEGIN { RS = ""; FS = "\n" } { print $1, NF }' | sort | uniq -c | tr -s ' ')" \
    "$(printf " $n === %s\n" 'DELETE EVENT === 3' 'INSERT EVENT === 4' 'REPLACE EVENT === 4' \
      'RESUME EXAMPLE === 3' 'UPDATE EVENT === 4')"
  assert_equal "$(tail -n 5 listener.out)" \
    "$(printf "%s stream closed, events seen: $n\n" Insert Update Delete Replace
    echo "Resume stream closed, events seen: $n, counters 1..$n, 0 missed, 0 repeated")"
  refute_regex "$output" 'Simulate failure'
}

# Also while the resume stream has failed: then it comes back to a collection that is gone.
@test "a collection dropped twice in a row ends no stream, hides nothing that comes after, and is told once" {
  listen --fail-after 1 --fail-for 1
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 3)" "$(counter 1 5)" \
    '{"drop": "accounts"}' \
    "$(insert "$(customer 1 bob 5 -1)")" "$(counter 1 1)" \
    '{"drop": "accounts"}'
  write_all_kinds 1
  wait_for listener.out '^Simulate failure' 4
  shows_all_kinds
  wait_for listener.out '^Emailing user: ann@example.org$' 2
  ctrl_c 1 # as 4 was missed
  assert_equal "$(sed -n 's/^Emailing user: //p' listener.out | xargs)" \
    'ann@example.org bob@example.org ann@example.org'
  assert_equal "$(grep -c '^The collection is gone\. All streams go on\.$' listener.out)" 2
  for stream in Update Delete Replace; do assert_line "$stream stream closed, events seen: 1"; done
  # Numbering begins at 1 with each new collection: nothing came twice.
  assert_line 'Resume stream closed, events seen: 4, counters 1..1, 1 missed, 0 repeated'
}

@test "a renamed collection and a dropped database end no stream either, those of others are not mentioned" {
  listen
  write "$(insert "$(customer 1 bob 5 -1)")" '{"create": "others"}' '{"drop": "others"}'
  database=admin mongo "{\"renameCollection\": \"$database.accounts\", \"to\": \"$database.renamed\"}"
  write "$(insert "$(customer 1 cid 5 -1)")" '{"dropDatabase": 1}'
  write_all_kinds 1
  wait_for listener.out '^Emailing user: ann@example.org$'
  shows_all_kinds
  ctrl_c
  assert_equal "$(sed -n 's/^Emailing user: //p' listener.out | xargs)" \
    'bob@example.org cid@example.org ann@example.org'
  assert_equal "$(grep -c 'is gone' listener.out)" 2
}

@test "a sixth stream, put beside the five, is opened and read with them, and has the pre-image" {
  needs 6
  write '{"create": "accounts", "changeStreamPreAndPostImages": {"enabled": true}}' \
    "$(insert '{"_id": 1, "n": 5}')"
  sed -e '/^    final List<Watch> streams/i\
    final Watch mine = new Watch("Mine", 1, "MINE", "My own.", eq("operationType", "update"),\
            event -> "before: " + event.getFullDocumentBeforeChange().get("n"));' \
    -e 's/replaces, resumes);/replaces, resumes, mine);/' "$ROOT/listener.java" >listener.java
  start_command mine "$ROOT/test/jbang" run --quiet listener.java
  wait_for mine.out ' listener thread started\.$' 6
  write "$(update 1 '{"n": 6}')" "$(update 1 '{"$set": {"n": 7}}')"
  wait_for mine.out '^before: 6$'
  wait_for mine.out '^=== (REPLACE|UPDATE) EVENT ===$' 2
}

@test "--json prints one JSON object per event, in UTF-8 in any locale, and nothing else on standard output" {
  LC_ALL=C start listener --json --fail-after 1 --fail-for 0
  wait_for listener.err '^(Insert|Update|Delete|Replace|Resume) listener thread started\.$' 5
  write_all_kinds 1 'Zo\u00eb'
  wait_for listener.out '"stream": "' 5
  wait_for listener.err '^counters 1\.\.1, 0 missed, 0 repeated$'
  ctrl_c
  assert_stderr_line --regexp '^Simulate failure'
  assert_stderr_line --regexp '^Insert stream closed, events seen: 1$'
  assert_regex "$(cat listener.out)" 'Zoë'
  write "{\"insert\": \"pasted\", \"documents\": [$(sed 's/Zoë/Zo\\u00eb/g' listener.out | paste -sd, -)]}"
  # event._id is the resume token.
  assert_equal "$(mongo '{"aggregate": "pasted", "cursor": {}, "pipeline": [
      {"$match": {"event._id._data": {"$type": "string"}}}, {"$sort": {"stream": 1}},
      {"$project": {"_id": 0, "stream": 1, "key": "$event.documentKey._id",
        "type": "$event.operationType"}}]}')" \
    "$(printf '{"stream": "%s", "key": 1, "type": "%s"}\n' \
      Delete delete Insert insert Replace replace Resume update Update update)"
}

@test "headlines are coloured on a terminal, not by TERM=dumb or NO_COLOR; in a file by CLICOLOR_FORCE" {
  command -v python3 >/dev/null || skip 'python3 makes the terminal'
  on_a_terminal() { # LABEL VARIABLE=VALUE…
    start_command "$1" env "${@:2}" python3 "$ROOT/test/tools/terminal.py" 'Acct Balance' \
      "$ROOT/test/jbang" run --quiet "$ROOT/listener.java"
  }
  on_a_terminal coloured TERM=xterm-256color NO_COLOR=
  on_a_terminal dumb TERM=dumb
  on_a_terminal plain TERM=xterm-256color NO_COLOR=1
  start file=listener
  CLICOLOR_FORCE=1 start forced=listener --fail-for 1
  for label in coloured dumb plain file forced; do wait_for $label.out '^Resume listener thread started'; done
  write "$(insert '{"_id": 1}')" "$(counters 1 5)"
  wait_for forced.out $'^counters 1\.\.5, \e\[32m0 missed'
  grep -q $'^\e\[31mSimulate failure for 1 seconds' forced.out || fail "$(show forced.out)"
    grep -q $'^Counter value: \e\[1m5' forced.out || fail "$(show forced.out)"
  write "$(insert "$(customer 2 ann 5 -1)")"
  for label in coloured dumb plain; do
    wait_exit $label
    assert_failure 130
    assert_line --regexp '=== INSERT EVENT ==='
  done
  assert_coloured coloured.out
  assert_coloured forced.out
  refute_regex "$(cat dumb.out plain.out file.out)" $'\e'
}

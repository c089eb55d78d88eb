#!/usr/bin/env bats
# What the listener survives, and what it says when it cannot: "What survives what" in the README.

load helpers
load listening

tokens=(--token-file tokens.json)

# Makes a server command fail, in the test's own sandbox: fault '{"times": 1}' '"errorCode": 189' getMore aggregate
fault() { # MODE HOW COMMAND…
  local commands
  printf -v commands '"%s",' "${@:3}"
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": '"$1"', "data": {"failCommands": ['"${commands%,}"'], '"$2"'}}' >/dev/null
}

heal() {
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "off"}' >/dev/null
}

# Pushes everything before it out of a small oplog, with changes that no stream of ours lets through.
roll_the_oplog() {
  local documents
  documents=$(for i in {1..300}; do echo "{\"_id\": $i}"; done)
  write "{\"insert\": \"elsewhere\", \"documents\": [${documents//$'\n'/,}]}" '{"drop": "elsewhere"}'
}

counters() { # FROM TO: one command that sets them, one after the other
  local numbers
  numbers=$(for ((i = $1; i <= $2; i++)); do change 1 "{\"\$set\": {\"resumeCounter\": $i}}"; done)
  echo "{\"update\": \"accounts\", \"updates\": [${numbers//$'\n'/,}]}"
}

all_kinds() { # NUMBER: commands that let each stream show one event
  insert "$(customer "$1" ann 5 -1)"
  deposit "$1" savings 1
  counter "$1" "$1"
  update "$1" '{"email": "new"}'
  echo "{\"delete\": \"accounts\", \"deletes\": [{\"q\": {\"_id\": $1}, \"limit\": 1}]}"
}

# Tells a reader of the test's log what was counted.
report() {
  echo "# $*" >&3
}

@test "killed ten times in 10,000 updates, it shows each one, and marks what it shows again" {
  local documents batch kill
  documents=$(for i in {1..1000}; do echo '{"accounts": [{"type": "checking", "balance": 2000}]}'; done)
  batch="{\"insert\": \"accounts\", \"documents\": [${documents//$'\n'/,}]}"
  write "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch"
  listen --fail-after 0 "${tokens[@]}"
  start resume_update --delay 0.002
  for kill in {1..10}; do
    wait_for listener.out '^Counter value:' $((RANDOM % 400 + 1))
    signal listener KILL
    wait_exit listener
    assert_status 137
    [ -z "$(tail -c 2 listener.out)" ] || sed -i.old '$d' listener.out # a line cut off by the kill
    mv listener.out killed.$kill
    listen --fail-after 0 "${tokens[@]}"
    assert_line "Going on after the resume tokens in $WORK/tokens.json" "$(sed 's/, saved .*//' listener.out)"
  done
  wait_exit resume_update 120
  assert_status 0
  wait_for listener.out '^Counter value: 10000$'
  ctrl_c
  assert_match '^Resume stream closed, .*counters 1\.\.10000, 0 missed, 0 repeated$'

  cat killed.{1..10} listener.out >all.out
  assert_equal "$(sed -n 's/^Counter value: //p' all.out | sort -un | sed -n '1p;$p' | xargs)" '1 10000'
  assert_equal "$(sed -n 's/^Counter value: //p' all.out | sort -u | wc -l | tr -d ' ')" 10000
  local unmarked
  unmarked=$(awk 'BEGIN {RS = ""; FS = "\n"} match($0, /Counter value: [0-9]+$/) {
      n = substr($0, RSTART); if (n in shown && !/\(again: /) print n; if (n in shown) twice++; shown[n] = 1
    } END {print "twice: " twice + 0}' all.out)
  echo "$unmarked" | head -n 3
  report "10000 counters shown, none missed, ${unmarked#twice: } a second time after 10 kills, all of these marked"
  assert_match '^twice: [0-9]+$' "$unmarked"
  assert_equal "$(wc -l <<<"$unmarked" | tr -d ' ')" 1
}

@test "with a token file it goes on where the last one ended, also a stream whose filter matched nothing" {
  own_sandbox --oplog-size 400
  sed -i.old '/^COLLECTION=/a RESUME_TOKEN_FILE=tokens.json' .env
  listen --fail-after 0
  # The tokens move on while nothing matches: what leaves the oplog now was read.
  for _ in 1 2; do
    tokens_in tokens.json >before.txt
    roll_the_oplog
    wait_for_other_tokens tokens.json before.txt
  done
  ctrl_c
  assert_equal "$(find tokens.json -perm 600)" tokens.json
  refute_match "mongodb:|$TEST_MONGODB_URI" "$(cat tokens.json)"

  # shellcheck disable=SC2046 # a command a line
  IFS=$'\n' && write $(all_kinds 1)
  unset IFS
  listen --fail-after 0
  for kind in 'INSERT EVENT' 'UPDATE EVENT' 'RESUME EXAMPLE' 'REPLACE EVENT' 'DELETE EVENT'; do
    wait_for listener.out "=== $kind ==="
  done
  ctrl_c
  refute_match '\(again'

  listen --fail-after 0
  write "$(counter 1 1)" "$(insert "$(customer 2 bob 5 -1)")" "$(counter 2 2)"
  wait_for listener.out '^Counter value: 2$'
  ctrl_c
  assert_line 'Resume stream closed, events seen: 1, counters 1..2, 0 missed, 0 repeated'
  assert_line 'Delete stream closed, events seen: 0'
}

tokens_in() { # FILE
  grep -o '"_data": "[^"]*"' "$1" || true # none before the first reading
}

wait_for_other_tokens() { # FILE FILE-WITH-TOKENS
  local deadline=$((SECONDS + 30))
  until [ "$(tokens_in "$1" | grep -vcFf "$2")" = 5 ]; do
    ((SECONDS < deadline)) || fail "in $1 there are tokens as before" "$1" "$2" || return
    pause
  done
}

@test "a token file that is not this listener's own, or in use, is refused and left as it is" {
  listen "${tokens[@]}"
  run --separate-stderr script listener "${tokens[@]}"
  assert_status 2
  assert_match '^listener: another listener uses the token file .*/tokens\.json' "$stderr"
  assert_one_line "$stderr"
  wait_for tokens.json '"_data"' 5
  ctrl_c

  refused() { # REGEX [OPTION…]
    local before
    before=$(cksum tokens.json)
    fails 2 "${tokens[@]}" "${@:2}"
    assert_match "$1" "$stderr"
    refute_match 'thread started'
    assert_equal "$(cksum tokens.json)" "$before"
  }
  refused "^listener: the token file .* belongs to a listener on $database\.accounts, not on $database\.others" --collection others
  refused "^listener: .* belongs to a listener on $database\.accounts, not on all databases" --scope deployment
  mv tokens.json good.json
  sed '/Resume/,$d' good.json >tokens.json
  refused '^listener: the token file .* is empty, damaged or no token file'
  : >tokens.json
  refused 'is empty, damaged'
  sed 's/"_data": "[^"]*"/"_data": "secret"/' good.json >tokens.json
  refused 'is empty, damaged'
  refute_match secret "$stderr"
  rm tokens.json && mkdir tokens.json
  fails 2 "${tokens[@]}"
  assert_match '^listener: the token file .* cannot be written .*folder' "$stderr"
  fails 2 --token-file nowhere/tokens.json
  assert_match '^listener: the token file .* cannot be written .*nowhere' "$stderr"
}

@test "tokens that cannot be saved are said at once, and end the listener or not, as chosen" {
  mkdir kept
  listen --fail-after 0 --token-file kept/tokens.json
  mv kept gone
  write "$(insert '{"_id": 1}')" "$(counter 1 1)"
  wait_exit listener
  assert_status 1
  assert_one_line "$stderr"
  assert_match '^listener: the resume tokens cannot be saved in .*/kept/tokens\.json \(.*\) - make room' "$stderr"

  mv gone kept
  listen --fail-after 0 --token-file kept/tokens.json --on-save-failure continue
  mv kept gone
  write "$(counter 1 2)"
  wait_for listener.err '^listener: the resume tokens cannot be saved'
  write "$(counter 1 3)"
  wait_for listener.out '^Counter value: 3$'
  mv gone kept
  wait_for listener.out '^The resume tokens are saved again\.$'
  assert_one_line "$(cat listener.err)"
  ctrl_c
  assert_match 'counters 1\.\.3, 0 missed, 0 repeated'
}

# Waits until the server has answered all that it was asked: nobody reads the oplog.
wait_until_answered() {
  local deadline=$((SECONDS + 30)) status
  until status=$(mongo '{"serverStatus": 1}') && grep -q '"pinned": 0\b' <<<"$status"; do
    ((SECONDS < deadline)) || fail "cursors are being read: $status" || return
    pause
  done
}

@test "history lost is told at once, with the time and the remedy, and by choice it goes on" {
  own_sandbox --oplog-size 200
  write "$(insert '{"_id": 1}')"
  listen --fail-after 1 --fail-for 3 --on-history-lost continue "${tokens[@]}"
  write "$(counter 1 1)"
  wait_for listener.out '^Simulate failure'
  signal listener STOP
  wait_until_answered
  roll_the_oplog
  signal listener CONT
  # Four are not read while the oplog rolls over them. The fifth is closed: its token would open, and fail (280) only at
  # the next event.
  wait_for listener.out '^(Insert|Update|Delete|Replace) stream: history lost \(error 136\)' 4
  wait_for listener.out '^Resume stream: history lost \(error 286\)'
  wait_for listener.out '^Going on from now; a larger oplog' 5
  write "$(counter 1 4)" "$(insert "$(customer 5 eve 5 -1)")"
  wait_for listener.out '^Counter value: 4$'
  wait_for listener.out '^Emailing user: eve@example.org$'
  ctrl_c 1 # as something is missing
  assert_match 'counters 1\.\.4, 2 missed, 0 repeated$'

  roll_the_oplog
  fails 1 "${tokens[@]}"
  assert_match '^listener: [A-Z][a-z]+ stream: history lost \(error 28[06]\).* after 20..-..-..T..:..:..Z .* now, 20..-..-..T..:..:..Z,.*larger oplog.*--on-history-lost continue' "$stderr"
}

@test "a server that hangs is told, though no connection breaks" {
  own_sandbox
  listen --fail-after 0
  signal sandbox STOP
  wait_for listener.out '^No answer from MongoDB for 5 s, waiting for it\.$'
  signal sandbox CONT
  wait_for listener.out '^MongoDB answers again\.$'
  write "$(insert '{"_id": 1}')" "$(counter 1 1)"
  wait_for listener.out '^Counter value: 1$'
  assert_equal "$(grep -c 'No answer' listener.out)" 1
  # Nor does Ctrl-C wait for its answer.
  signal sandbox STOP
  signal listener INT
  wait_for listener.out '^Resume stream closed, events seen: 1, counters 1\.\.1, 0 missed, 0 repeated$'
  signal sandbox CONT
  wait_exit listener
  assert_status 130
}

@test "cut connections, a new primary, a server that hangs: each stream says what happened and goes on" {
  own_sandbox
  sed -i.old '/^MONGODB_ATLAS_URL=/s/$/\&socketTimeoutMS=1500/' .env
  listen --fail-after 0
  fault '{"times": 1}' '"errorCode": 189' getMore # PrimarySteppedDown
  wait_for listener.out ' stream: broken off, and resumed by the driver with the resume token\.$'
  fault '{"times": 20}' '"closeConnection": true' getMore aggregate
  wait_for listener.out 'stream: MongoDB is back, going on with the resume token\.$'
  heal
  signal sandbox STOP
  wait_for listener.out 'stream: waiting for MongoDB since [0-9]+ s$' 5
  signal sandbox CONT
  write "$(insert '{"_id": 1}')" "$(counters 1 50)"
  wait_for listener.out '^Counter value: 50$' 1 60
  # Halted itself, and its server restarted or not, it goes on as well.
  signal listener STOP
  write "$(counters 51 100)"
  signal listener CONT
  wait_for listener.out '^Counter value: 100$'
  ctrl_c
  assert_line 'Resume stream closed, events seen: 100, counters 1..100, 0 missed, 0 repeated'
  assert_equal "$stderr" ''
  report '100 counters shown over a stepdown, cut connections and a server that hung, 0 missed, 0 repeated'
}

@test "an error that will not pass ends all five streams, with the name of the stream and the remedy" {
  own_sandbox
  listen
  fault '"alwaysOn"' '"errorCode": 10334' getMore # BSONObjectTooLarge
  wait_exit listener
  assert_status 1
  assert_one_line "$stderr"
  assert_match '^listener: (Insert|Update|Delete|Replace|Resume) stream: an event is larger than 16 MB.*changeStreamSplitLargeEvent' "$stderr"
  assert_equal "$(grep -c 'stream closed, events seen' listener.out)" 5

  fault '"alwaysOn"' '"errorCode": 13' aggregate
  fails 1
  assert_match '^listener: Insert stream: .*readWrite' "$stderr"
  refute_match 'thread started'
}

@test "resets in a loop while customers are inserted hide none of them" {
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database
  local commands=() i
  for i in {1..400}; do commands+=("$(insert "$(customer "$i" "n$i" 5 -1)")"); done
  start reset
  wait_exit reset
  listen
  start writer=command "${commands[@]}"
  for i in 1 2 3; do
    run --separate-stderr script reset
    assert_status 0
  done
  wait_exit writer
  refute_match 'writeErrors'
  write "$(insert "$(customer '"z"' last 5 -1)")"
  wait_for listener.out '^Emailing user: last@'
  ctrl_c
  assert_equal "$(grep -c '^Insert stream: collection accounts was dropped' listener.out)" 3
  assert_equal "$(sed -n 's/^Emailing user: n\([0-9]*\)@.*/\1/p' listener.out | xargs)" "$(echo {1..400})"
  report '400 of 400 customers shown, in order, over 3 resets'
}

@test "a reader that goes away (| head) ends it quietly" {
  start_command head bash -c '"$0" run --quiet "$@" | head -n 20; exit "${PIPESTATUS[0]}"' \
    "$ROOT/test/jbang" "$ROOT/listener.java"
  wait_for head.out '^Resume listener thread started\.$'
  write "$(insert "$(customer 1 ann 5 -1)")"
  write "$(insert "$(customer 2 bob 5 -1)")"
  wait_exit head
  assert_status 0
  assert_equal "$stderr" ''
}

@test "5000 events while the terminal is blocked are all shown once it goes on, and none is saved before" {
  mkfifo listener.out
  start_command reader cat listener.out
  start listener --fail-after 0 "${tokens[@]}"
  wait_for reader.out '^Resume listener thread started\.$'
  write "$(insert '{"_id": 1}')" "$(counter 1 1)"
  wait_for reader.out '^Counter value: 1$'
  signal reader STOP
  write "$(counters 2 1000)" "$(counters 1001 2000)" "$(counters 2001 3000)" "$(counters 3001 4000)" "$(counters 4001 5000)"
  signal reader CONT
  wait_for reader.out '^Counter value: 5000$'
  signal listener INT
  wait_exit listener
  assert_status 130
  wait_exit reader
  assert_line 'Resume stream closed, events seen: 5000, counters 1..5000, 0 missed, 0 repeated'
  assert_equal "$(sed -n 's/^Counter value: //p' reader.out | xargs)" "$(echo {1..5000})"
  report '5000 of 5000 counters shown, in order'
}

@test "a wider scope names each event's collection, and goes on over drops" {
  listen --scope database --fail-after 0
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)" \
    "$(insert "$(customer 2 bob 5 -1)" | sed 's/: "accounts"/: "others"/')" \
    '{"drop": "accounts"}' \
    "$(insert "$(customer 1 cid 5 -1)")" "$(counter 1 1)" "$(counter 1 2)"
  wait_for listener.out '^Counter value: 2$'
  wait_for listener.out '^Emailing user: cid@'
  assert_equal "$(blocks 'INSERT EVENT' | sed -n '/^=== /{n;p;}')" "Collection: $database.accounts
Collection: $database.others
Collection: $database.accounts"
  refute_match 'stream: ' "$(cat listener.out)"
  write '{"dropDatabase": 1}' "$(insert "$(customer 1 dan 5 -1)")" "$(counter 1 1)"
  wait_for listener.out '^Emailing user: dan@'
  wait_for listener.out "^(Insert|Update|Delete|Replace|Resume) stream: database $database was dropped" 5
  wait_for listener.out '^Counter value: 1$' 3
  ctrl_c
  assert_line "Resume stream closed, events seen: 4, counters of $database.accounts 1..2, 0 missed, 0 repeated"

  own_sandbox
  listen --scope deployment --fail-after 0
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)" '{"dropDatabase": 1}'
  database=elsewhere write "$(insert "$(customer 1 bob 5 -1)")" "$(counter 1 1)" "$(counter 1 2)"
  write "$(insert "$(customer 1 cid 5 -1)")" "$(counter 1 1)"
  wait_for listener.out '^Emailing user: cid@'
  wait_for listener.out '^Counter value: 1$' 3
  ctrl_c
  refute_match 'stream: '
  assert_match '^Collection: elsewhere\.accounts$'
  assert_line "Resume stream closed, events seen: 4, counters of $database.accounts 1..1, 0 missed, 0 repeated, counters of elsewhere.accounts 1..2, 0 missed, 0 repeated"
}

@test "with pre-images it shows the old balance, names a withdrawal, and who was deleted" {
  write '{"create": "accounts", "changeStreamPreAndPostImages": {"enabled": true}}' "$(insert "$(customer 1 Ann 5 900)")"
  listen
  write "$(deposit 1 checking 100)" "$(update 1 '{"$inc": {"accounts.1.balance": -300}}')" \
    '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '=== DELETE EVENT ==='
  wait_for listener.out 'Withdrawal'
  ctrl_c
  assert_equal "$(blocks 'UPDATE EVENT')" '=== UPDATE EVENT ===
Checking Account Deposit
Customer: Ann Smith
Updated Checking Balance to: 1000 (before: 900)

=== UPDATE EVENT ===
Checking Account Withdrawal
Customer: Ann Smith
Updated Checking Balance to: 700 (before: 1000)'
  assert_equal "$(blocks 'DELETE EVENT')" '=== DELETE EVENT ===
Customer deleted from collection: accounts
Customer _id: 1
Customer: Ann Smith'
}

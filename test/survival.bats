# What the listener survives, and what it says when it cannot: "What survives what" in the README.

load helpers/helpers
load helpers/listening

@test "killed ten times in 10,000 updates, it shows each one" {
  local batch kill
  batch=$(insert "$(each 1 1000 '{"accounts": [{"type": "checking", "balance": 2000}]}')")
  write "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch" "$batch"
  listen --fail-after 0 "${tokens[@]}"
  start resume_update --delay 0.003
  for kill in {1..10}; do
    wait_for listener.out '^Counter value:' $((RANDOM % 400 + 1))
    signal listener KILL
    wait_exit listener
    assert_failure 137
    [ -z "$(tail -c 2 listener.out)" ] || sed -i.old '$d' listener.out # a line cut off by the kill
    mv listener.out killed.$kill
    listen --fail-after 0 "${tokens[@]}"
    wait_for listener.out '^Going on after the resume tokens in tokens\.json$'
  done
  wait_exit resume_update 120
  assert_success
  wait_for listener.out '^Counter value: 10000$' 1 60
  ctrl_c
  wait_for listener.out '^Resume stream closed, .*counters 1\.\.10000, 0 missed$'
  sed -n 's/^Counter value: //p' killed.{1..10} listener.out | sort -n >all.txt
  assert_equal "$(uniq all.txt | xargs)" "$(echo {1..10000})"
}

@test "with a token file it goes on where the last one ended, also a stream whose filter matched nothing" {
  own_sandbox --oplog-size 400
  sed -i.old -e '/^COLLECTION=/a\
RESUME_TOKEN_FILE=tokens.json' -e '/^MONGODB_ATLAS_URL=/s,$,\&tlsCertificateKeyFilePassword=s3cret,' .env
  listen --fail-after 0
  # The tokens move on while nothing matches: what leaves the oplog now was read.
  for _ in 1 2; do
    tokens_in tokens.json >before.txt
    roll_the_oplog
    wait_until all_are_new tokens.json before.txt
  done
  ctrl_c
  refute_regex "$(cat tokens.json)" 's3cret|mongodb:'

  write_all_kinds 1 # while none listens
  listen --fail-after 0
  shows_all_kinds
  ctrl_c

  listen --fail-after 0
  write "$(insert "$(customer 2 bob 5 -1)")" "$(counter 2 3)"
  wait_for listener.out '^Counter value: 3$'
  ctrl_c 1
  assert_line 'Resume stream closed, events seen since this start: 1, counters 1..3, 1 missed'
  assert_line 'Delete stream closed, events seen since this start: 0'
  listen --fail-after 0
  ctrl_c 1 # what was missed, was missed
  assert_line 'Resume stream closed, events seen since this start: 0, counters 1..3, 1 missed'
}

@test "killed right after its start, before it has read anything, it misses nothing" {
  own_sandbox
  fault '"alwaysOn"' '"blockConnection": true, "blockTimeMS": 60000' aggregate
  start listener "${tokens[@]}"
  wait_for tokens.json '"started"'
  signal listener KILL
  write_all_kinds 1
  heal
  listen "${tokens[@]}"
  shows_all_kinds
}

@test "a token file that is another's, in use, or cannot be written is refused and left as it is" {
  listen "${tokens[@]}"
  run --separate-stderr script listener "${tokens[@]}"
  assert_failure 2
  assert_equal "$stderr" 'listener: tokens.json is in use - give it another'
  wait_for tokens.json '("_data".*){5}'
  ctrl_c

  refused_token_file "collection $database\.others" --collection others
  refused_token_file "deployment .*" --scope deployment
  mv tokens.json good.json
  sed 's/"Resume.*//' good.json >tokens.json # half of it
  refused_token_file "collection $database\.accounts"
  : >tokens.json
  refused_token_file "collection $database\.accounts"

  mkdir kept # while it runs, the folder goes away
  listen --token-file kept/tokens.json
  mv kept gone
  wait_exit listener
  assert_failure 1
  assert_error '^listener: cannot write kept/tokens\.json: '
  assert_line 'Delete stream closed, events seen: 0'
  fails 2 --token-file kept/tokens.json # no such folder
  assert_error '^listener: .*kept/tokens\.json'
}

@test "a token file behind a link stays one file with one listener" {
  mkdir kept
  ln -s kept/tokens.json link.json
  listen --token-file kept/tokens.json
  wait_for kept/tokens.json '("_data".*){5}'
  script_fails 2 'is in use' listener --token-file link.json
  ctrl_c
  listen --token-file link.json
  run cat listener.out
  assert_line 'Going on after the resume tokens in link.json'
  ctrl_c
  [ -L link.json ] || fail "the link was replaced: $(ls -l)"
}

@test "5000 events while the terminal is blocked are all shown; no token is saved before its event is shown" {
  mkfifo listener.out
  start_command reader cat listener.out
  start listener --fail-after 0 "${tokens[@]}"
  wait_for reader.out '^Resume listener thread started\.$'
  write "$(insert '{"_id": 1}')" "$(counter 1 1)"
  wait_for reader.out '^Counter value: 1$'
  signal reader STOP
  write "$(counters 2 1000)" "$(counters 1001 2000)" "$(counters 2001 3000)" "$(counters 3001 4000)" \
    "$(counters 4001 5000)"
  local since=$SECONDS # longer than from one save to the next
  wait_until eval '((SECONDS > since + 2))'
  signal listener KILL
  signal reader CONT
  wait_exit reader
  [ -z "$(tail -c 2 reader.out)" ] || sed -i.old '$d' reader.out # a block cut off by the kill
  local shown; shown=$(sed -n 's/^Counter value: //p' reader.out | tail -n 1)
  ((shown > 1 && shown < 5000)) || fail "not blocked: $shown shown"
  rm listener.out
  listen --fail-after 0 "${tokens[@]}"
  wait_for listener.out '^Counter value: 5000$'
  ctrl_c
  assert_equal "$(cat reader.out listener.out | sed -n 's/^Counter value: //p' | sort -nu | xargs)" \
    "$(echo {1..5000})"
}

@test "a reader that goes away (| head) ends it with a line, and what it has not seen comes again" {
  mkfifo gone.out
  start_command head head -n 25 gone.out
  start gone=listener "${tokens[@]}"
  wait_for head.out '^Resume listener thread started\.$' # head has all it wants
  write "$(insert "$(customer 1 ann 5 -1)")"
  wait_exit gone
  assert_failure 1
  assert_equal "$stderr" 'listener: not all could be printed - disk full, or the reader gone?'
  listen "${tokens[@]}" # it has not noted what it could not print
  wait_for listener.out '^Emailing user: ann'
}

@test "history lost is told at once, in one line that says how to begin anew" {
  own_sandbox --oplog-size 200
  write "$(insert '{"_id": 1}')"
  listen --fail-after 1 --fail-for 3 "${tokens[@]}"
  write "$(counter 1 1)"
  wait_for listener.out '^Simulate failure'
  signal listener STOP
  wait_until server_status '"pinned": 0[,}]'
  roll_the_oplog
  signal listener CONT
  wait_exit listener
  assert_failure 1
  lost '[A-Z][a-z]+' 'delete tokens\.json'
  fails 1 "${tokens[@]}"
  lost '[A-Z][a-z]+' 'delete tokens\.json'
  refute_line --regexp 'thread started'
  rm tokens.json
  listen --fail-after 0 "${tokens[@]}"
  write "$(counter 1 4)"
  wait_for listener.out '^Counter value: 4$'
  ctrl_c

  # An event that has left the oplog between two readings: a server says so with another code.
  for code in 280 136; do
    listen
    fault '{"times": 1}' "\"errorCode\": $code, \"errorLabels\": [\"NonResumableChangeStreamError\"]" getMore
    wait_exit listener
    assert_failure 1
    lost '(Insert|Update|Delete|Replace|Resume)' 'start it again'
    refute_line --regexp "$away"
  done
}

@test "an error that will not pass ends all five streams, with the name of the stream and what to do" {
  own_sandbox
  listen
  fault '{"times": 1}' '"errorCode": 10334' getMore # BSONObjectTooLarge
  wait_exit listener
  assert_failure 1
  assert_error '^listener: [A-Z][a-z]+ stream: .* - an event over 16 MB; to begin anew, start it again$'
  assert_equal "$(grep -c 'stream closed, events seen' listener.out)" 5
  refute_line --regexp "$away"

  fault '"alwaysOn"' '"errorCode": 13' aggregate # Unauthorized
  fails 1
  assert_error '^listener: [A-Z][a-z]+ stream: .* - has the user readWrite\?$'
  refute_line --regexp 'thread started'
  heal

  # The server has given up by itself, and would again: no label, no broken connection.
  listen
  fault '{"times": 1}' '"errorCode": 50, "errorLabels": []' getMore
  wait_exit listener
  assert_failure 1
  assert_error '^listener: [A-Z][a-z]+ stream: '
  refute_line --regexp "$away"
}

@test "a broken connection costs no event, and is one line for all five streams, and one when it is back" {
  own_sandbox && mongo '{"ping": 1}'
  # With a login, which is cut short, too, as often as a new connection is tried.
  sed -i.old -e '/^MONGODB_ATLAS_URL=/s,//,//ann:s3cret@,' \
    -e '/^MONGODB_ATLAS_URL=/s/$/\&authMechanism=PLAIN\&serverSelectionTimeoutMS=3000/' .env
  listen --fail-after 0
  local said began=$((SECONDS + 4))
  wait_until eval '((SECONDS >= began))' # the time is counted from the last answer, not from the start
  fault '"alwaysOn"' '"closeConnection": true' getMore aggregate saslStart
  # None still waits for an answer, which could be an event.
  wait_for listener.out "$away" 1 20
  wait_until server_status '"pinned": 0[,}]'
  wait_until eval '((SECONDS >= began + 7))' # a second line would come by then
  write_all_kinds 1
  refute_regex "$(cat listener.out)" 'EVENT'
  heal
  shows_all_kinds
  assert_equal "$(grep -E "$away|$back|^=== " listener.out | head -n 2 | sed -E 's/ [0-9.]+ s$//')" \
    $'No answer from MongoDB for\nMongoDB answers again, after' # before the first event
  assert_equal "$(grep -cE "$away|$back" listener.out)" 2
  said=$(sed -nE 's/^MongoDB answers again, after ([0-9]+).*/\1/p' listener.out)
  ((said >= 3 && said <= SECONDS - began)) || fail "it was not away for $said s"
  assert_equal "$(cat listener.err)" ''
  refute_regex "$(cat listener.out)" s3cret
  stop sandbox
  wait_for listener.out "$away" 2
  ctrl_c
  assert_equal "$stderr" ''
  assert_line 'Insert stream closed, events seen: 1'
}

@test "a connection that breaks right after a drop ends no stream" {
  own_sandbox
  listen
  write "$(insert '{"_id": 1}')"
  # After a drop, each reading fails; the driver then tries resumeAfter, which servers refuse there (260).
  local broken='"errorCode": 189, "errorLabels": ["ResumableChangeStreamError"]'
  mongo "$(failing '"alwaysOn"' "$broken" getMore)" '{"drop": "accounts"}'
  wait_for listener.out "$away"
  heal
  write_all_kinds 1
  shows_all_kinds
  ctrl_c
  assert_equal "$stderr" ''
}

# https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md#resumable-error
@test "after each error that the specification calls resumable a stream is opened again, after a pause" {
  own_sandbox
  sed -i.old '/^MONGODB_ATLAS_URL=/s/$/\&retryReads=false/' .env # one attempt is one command
  write "$(insert '{"_id": 1}')"
  listen --fail-after 1 --fail-for 0 # with each counter the resume stream is opened anew
  local n=1 code tried all_open='"open": \{[^}]*"total": 5[,}]'
  SECONDS=0
  mongo "$(failing '{"times": 50}' '"errorCode": 43, "errorLabels": []' aggregate)" "$(counter 1 1)"
  wait_for listener.out '^Restart'
  wait_until eval '((SECONDS >= 2))' # without a pause they would all be over
  tried=$(heal | grep -oE '[0-9]+' | head -n 1)
  ((tried <= SECONDS + 2)) || fail "tried $tried times in $SECONDS s"
  wait_until server_status "$all_open"
  for code in 6 7 63 89 91 133 134 150 189 234 262 9001 10107 11600 11602 13388 13435 13436; do
    n=$((n + 1)) # no label, as an old server
    mongo "$(failing '{"times": 1}' "\"errorCode\": $code, \"errorLabels\": []" aggregate)" "$(counter 1 $n)"
    wait_for listener.out '^Restart' $n
    wait_until server_status "$all_open"
  done
  n=$((n + 1))
  local label='"errorLabels": ["ResumableChangeStreamError"]'
  mongo "$(failing '{"times": 1}' "\"errorCode\": 12345, $label" aggregate)" \
    "$(counter 1 $n)"
  wait_for listener.out '^Restart' $n
  wait_until server_status "$all_open"
  assert_equal "$(heal | grep -oE '[0-9]+' | head -n 1)" $((tried + n - 1))
  fault '"alwaysOn"' '"errorCode": 189, "errorLabels": []' getMore # PrimarySteppedDown while streams are read
  wait_for listener.out "$away"
  heal
  n=$((n + 1))
  write "$(counter 1 $n)"
  wait_for listener.out "^Counter value: $n$"
  ctrl_c
  assert_line "Resume stream closed, events seen: $n, counters 1..$n, 0 missed, 0 repeated"
  assert_equal "$stderr" ''
}

@test "a server that hangs is told though no connection breaks, and Ctrl-C does not wait for its answer" {
  own_sandbox
  write "$(insert '{"_id": 1}')"
  listen --fail-after 0
  signal sandbox STOP # the connections stay open, and silent
  wait_for listener.out "$away"
  signal sandbox CONT
  wait_for listener.out "$back"
  write "$(counter 1 1)"
  wait_for listener.out '^Counter value: 1$'
  signal sandbox STOP
  signal listener INT
  wait_for listener.out '^Resume stream closed, events seen: 1, counters 1\.\.1, 0 missed, 0 repeated$'
  signal sandbox CONT
  wait_exit listener
  assert_failure 130
  assert_equal "$(grep -cE "$away|$back" listener.out)" 2
}

@test "a network that goes silent is noticed, and what came meanwhile is shown" {
  through_proxy
  listen --fail-after 0
  order silence
  wait_for listener.out "$away"
  write_all_kinds 1
  shows_all_kinds
  wait_for listener.out "$back"
}

@test "an opening that takes longer than the read time-out is told what to do, and does so" {
  own_sandbox
  cp .env patient.env
  sed -i.old '/^MONGODB_ATLAS_URL=/s/$/\&socketTimeoutMS=1500/' .env
  fault '"alwaysOn"' '"blockConnection": true, "blockTimeMS": 3000' aggregate
  start listener
  wait_for listener.out '^Long to catch up\? socketTimeoutMS=300000 in the URI'
  refute_regex "$(cat listener.out)" 'thread started'
  ctrl_c
  sed '/^MONGODB_ATLAS_URL=/s/$/\&socketTimeoutMS=300000/' patient.env >.env
  listen
}

# As in an election, which takes ten seconds and more.
@test "a server that refuses connections for twelve seconds ends no writer, and nothing is written twice" {
  people() { # COLLECTION CHECKING
    insert "$(each 1 110 "$(customer '&' ann 1 "$2")")" | sed "s/accounts/$1/"
  }
  write "$(people poor 5)" "$(people red -5)" "$(people rich 2000)"
  through_proxy
  start insert --delay 0.05 --records 110 --collection new
  start update --delay 0.05 --collection poor
  start delete --delay 0.05 --collection red
  start resume_update --delay 0.05 --collection rich
  wait_for insert.out '^Inserted record: 5 '
  wait_for update.out '^Added' 5
  wait_for delete.out '^Successfully' 5
  wait_for resume_update.out '^Counter value: 5$'
  order refuse
  SECONDS=0
  wait_until eval '((SECONDS >= 12))'
  order accept
  for name in insert update delete resume_update; do
    wait_exit $name 60
    assert_success
    assert_equal "$stderr" ''
    assert_line --regexp '^Customers [a-z]+: 110$'
  done
  run mongo '{"count": "new"}' '{"count": "poor", "query": {"accounts.1.balance": 105}}' '{"count": "red"}' \
    '{"count": "rich", "query": {"resumeCounter": {"$gte": 1, "$lte": 110}}}'
  assert_equal "$(grep -o '"n": [0-9]*' <<<"$output" | paste -sd' ' -)" '"n": 110 "n": 110 "n": 0 "n": 110'
}

@test "a login that is refused while it runs ends the listener with that word; it does not wait for ever" {
  own_sandbox
  through_proxy
  sed -i.old '/^MONGODB_ATLAS_URL=/{ s,//,//ann:s3cret@,; s/$/\&authMechanism=PLAIN/; }' .env
  listen --fail-after 0
  fault '"alwaysOn"' '"errorCode": 18' saslStart # AuthenticationFailed
  order cut
  wait_exit listener
  assert_failure 1
  assert_error '^listener: [A-Z][a-z]+ stream: login refused - '
}

@test "resets in a loop while customers are inserted hide none of them" {
  listen
  write "$(insert '{"_id": 1}')" "$(counter 1 1)" "$(counter 1 3)"
  start insert --records 100000 --delay 0.005
  wait_for insert.out '^Inserted'
  for _ in 1 2 3; do script reset; done
  wait_for listener.out '^The collection is gone' 3
  signal insert INT
  wait_exit insert
  sed -n 's/^Inserted.*: \(.*\), checking -.*/\1/p' insert.out >expected.txt
  wait_for listener.out '^Emailing user' "$(grep -c . expected.txt)"
  ctrl_c 1 # as 2 was missed
  assert_line --partial ', 1 missed, 0 repeated'
  assert_equal "$(sed -n 's/^Emailing user: //p' listener.out)" "$(cat expected.txt)"
}

@test "a wider scope names each event's collection, and goes on over drops" {
  listen --scope database --fail-after 2 --fail-for 1
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)" \
    "$(insert "$(customer 2 bob 5 -1)" | sed 's/: "accounts"/: "others\\n=== DELETE EVENT ==="/')" \
    '{"drop": "accounts"}' \
    "$(insert "$(customer 1 cid 5 -1)")" "$(counter 1 1)" "$(counter 1 2)"
  wait_for listener.out '^Counter value: 2$'
  wait_for listener.out '^Emailing user: cid@'
  assert_equal "$(shown 'INSERT EVENT' | cut -d' ' -f1,2)" \
    "$(printf "Collection: $database.%s\n" accounts $'others\ufffd===' accounts)"
  run cat listener.out
  refute_line --regexp '^=== DELETE'
  refute_regex "$(cat listener.out)" 'is gone'
  write '{"insert": "more", "documents": [{}]}' '{"delete": "more", "deletes": [{"q": {}, "limit": 1}]}' \
    '{"dropDatabase": 1}' "$(insert "$(customer 1 dan 5 -1)")" "$(counter 1 1)"
  wait_for listener.out '^Emailing user: dan@'
  wait_for listener.out '^Customer deleted from collection: more$'
  wait_for listener.out '^Counter value: 1$' 3
  ctrl_c
  assert_equal "$(grep -c '^The database is gone\. All streams go on\.$' listener.out)" 1
  assert_line 'Resume stream closed, events seen: 4' # one count is of one collection
  refute_regex "$(cat listener.out)" '^counters'

  own_sandbox
  listen --scope deployment --fail-after 0
  write "$(insert "$(customer 1 ann 5 -1)")" "$(counter 1 1)" '{"dropDatabase": 1}'
  database=elsewhere write "$(insert "$(customer 1 bob 5 -1)")" "$(counter 1 1)" "$(counter 1 2)"
  write "$(insert "$(customer 1 cid 5 -1)")" "$(counter 1 1)"
  wait_for listener.out '^Emailing user: cid@'
  wait_for listener.out '^Counter value: 1$' 3
  ctrl_c
  refute_line --regexp 'is gone'
  assert_line 'Collection: elsewhere.accounts'
  assert_line 'Resume stream closed, events seen: 4' # one count is of one collection
}

@test "with pre-images it shows the old balance, both sides of a transfer, and who was deleted" {
  needs 6
  write '{"create": "accounts", "changeStreamPreAndPostImages": {"enabled": true}}' \
    "$(insert "$(customer 1 Ann 4 900.5)")" "$(deposit 1 savings 1)" # before the listener's time
  listen
  write "$(deposit 1 checking 100)"
  signal listener STOP # what it looks up is the customer after all that follows
  write "$(update 1 '{"$set": {"accounts.0.balance": 6}}')" \
    "$(update 1 '{"$inc": {"accounts.0.balance": 300, "accounts.1.balance": -0.25},
      "$set": {"lastName": "Roe"}}')" \
    "$(update 1 '{"$pull": {"accounts": {"type": "savings"}}}')"
  signal listener CONT
  wait_for listener.out '^Changed fields: \{"accounts"'
  write '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}'
  wait_for listener.out '=== DELETE EVENT ==='
  ctrl_c
  assert_equal "$(shown 'UPDATE EVENT' | sed '/lastName/!s/ | Customer: Ann [A-Za-z]*//g; s/Updated //g')" \
    "Checking Account Deposit | Checking Balance to: 1000.5 (before: 900.5)
Savings Account Deposit | Savings Balance to: 6 (before: 5)
Savings Account Deposit | Customer: Ann Roe | Savings Balance to: 306 (before: 6) | \
Checking Account Withdrawal | Customer: Ann Roe | Checking Balance to: 1000.25 (before: 1000.5) | \
Changed fields: {\"lastName\": \"Roe\"}
Customer edited | Changed fields: {\"accounts\": [{\"type\": \"checking\", \"balance\": 1000.25}]}"
  assert_equal "$(shown 'DELETE EVENT')" \
    'Customer deleted from collection: accounts | Customer _id: 1 | Customer: Ann Roe'
}

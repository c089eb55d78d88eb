# update: deposits.

load helpers
load customers

@test "update deposits \$100 into each checking account under \$1000, and nowhere else" {
  insert_documents "$(customer ann 999 5000)" "$(customer bob 1000 10)" "$(customer cyd -50 10)" "${odd_documents[@]}" \
    '{"_id": "dan", "accounts": [{"type": "checking", "balance": 950}, {"type": "savings", "balance": 20}]}' \
    "$(customer eve 99.5 5)"
  mongo "{\"insert\": \"other\", \"documents\": [$(customer fay 1 1)]}"
  run --separate-stderr script update --delay 0
  assert_status 0
  assert_transcript <<-'TEXT'
	MongoDB Atlas DB URL: URI
	Database: DATABASE
	Collection: accounts
	============================================================
	Update Bank Account Data
	============================================================
	Found Checking Account with under $1000.
	Successful update with matched: 1 and modified count: 1
	Added $100 to customer acct with _id: ann
	Found Checking Account with under $1000.
	Successful update with matched: 1 and modified count: 1
	Added $100 to customer acct with _id: cyd
	Found Checking Account with under $1000.
	Successful update with matched: 1 and modified count: 1
	Added $100 to customer acct with _id: dan
	Found Checking Account with under $1000.
	Successful update with matched: 1 and modified count: 1
	Added $100 to customer acct with _id: eve
	============================================================
	Customers updated: 4
	Total Time Elapsed (in seconds): TIME
	============================================================
	TEXT
  # savings and checking, but for dan; a balance stays an int, or a double
  assert_equal "$(balances)" "$(printf '%s\n' 'ann 5000 1099' 'bob 10 1000' 'cyd 10 50' 'dan 1050 20' 'eve 5 199.5')"
  assert_equal "$(count '{"accounts": {"$elemMatch": {"type": "checking", "balance": {"$type": "int"}}}}')" 4
}

@test "--account, --below, --deposit and --limit choose who gets how much" {
  insert_documents "$(customer ann 10 500)" "$(customer bob 10 499)" "$(customer cyd 600 499.5)" "$(customer dan 10 1)"
  run --separate-stderr script update --account savings --below 500 --deposit 25 --limit 2 --delay 0
  assert_status 0
  assert_equal "$(grep -E '^(Found|Added)' <<<"$output")" "$(printf '%s\n' \
    'Found Savings Account with under $500.' 'Added $25 to customer acct with _id: bob' \
    'Found Savings Account with under $500.' 'Added $25 to customer acct with _id: cyd')"
  assert_line 'Customers updated: 2'
  assert_equal "$(balances)" "$(printf '%s\n' 'ann 500 10' 'bob 524 10' 'cyd 524.5 600' 'dan 1 10')"

  run --separate-stderr script update --deposit 0.5 --below 10.5 --delay 0
  assert_status 0
  assert_line 'Found Checking Account with under $10.5.'
  assert_line 'Added $0.5 to customer acct with _id: dan'
  assert_equal "$(balances)" "$(printf '%s\n' 'ann 500 10.5' 'bob 524 10.5' 'cyd 524.5 600' 'dan 1 10.5')"
}

@test "an account that somebody else has changed is not overwritten, and update says so" {
  insert_documents "$(customer ann 10 10)" "$(customer bob 10 10)"
  start update --delay 4
  wait_for update.out '^Added'
  meanwhile update '{"update": "accounts", "updates": [{"q": {"_id": "bob"}, "u": {"$set": {"accounts.1.balance": 1000}}}]}'
  wait_exit update
  assert_status 0
  assert_equal "$(about_customers)" "$(printf '%s\n' \
    'Found Checking Account with under $1000.' \
    'Successful update with matched: 1 and modified count: 1' \
    'Added $100 to customer acct with _id: ann' \
    'Found Checking Account with under $1000.' \
    'No update, matched: 0. Somebody changed this account since it was found.')"
  assert_line 'Customers updated: 1'
  assert_equal "$(balances)" $'ann 10 110\nbob 10 1000'
}

@test "update can be killed or piped into head and run again: whole documents, and no deposit twice for one line" {
  local id people=() paid printed
  for id in {1..600}; do people+=("$(customer "$id" 950 0)"); done
  insert_documents "${people[@]}"
  local all='{"accounts.1.balance": {"$in": [950, 1050]}, "lastName": "Doe"}' had='{"accounts.1.balance": 1050}'
  start update --delay 0
  wait_for update.out '^Added' 20
  signal update KILL
  wait_exit update
  paid=$(count "$had") printed=$(grep -c '^Added' <<<"$output")
  ((paid == printed || paid == printed + 1)) || fail "$printed deposits printed, $paid made"

  script update --delay 0 | head -n 20
  assert_equal "${PIPESTATUS[0]}" 0
  paid=$(count "$had")
  ((paid < 600)) || fail 'update went on when nobody read what it printed'

  run --separate-stderr script update --delay 0
  assert_line "Customers updated: $((600 - paid))"
  run mongo "{\"count\": \"accounts\", \"query\": $all}" "{\"count\": \"accounts\", \"query\": $had}"
  assert_match '^\{"n": 600,' "${lines[0]}"
  assert_match '^\{"n": 600,' "${lines[1]}"
}

@test "a failover or a lost connection costs no deposit and makes none twice; one that lasts ends in one line" {
  start sandbox --port 0
  wait_for sandbox.out '^ready$'
  local uri TEST_MONGODB_URI fault id people=() deposits=1
  uri=$(grep -o 'mongodb://.*' sandbox.out) TEST_MONGODB_URI=$uri
  for id in {1..60}; do people+=("$(customer "$id" 10 10)"); done
  insert_documents "${people[@]}"
  start update --uri "$uri&socketTimeoutMS=2000" --delay 0.5
  wait_for update.out '^Added'
  # The first holds the write back until update has asked again on another connection: the server gets it twice.
  for fault in '"blockConnection": true, "blockTimeMS": 3000' '"closeConnection": true' \
    '"errorCode": 189' '"errorCode": 10107' '"errorCode": 91'; do
    signal update STOP
    deposits=$(grep -c '^Added' update.out)
    database=admin mongo "{\"configureFailPoint\": \"failCommand\", \"mode\": {\"times\": 1},
      \"data\": {\"failCommands\": [\"update\"], $fault}}"
    signal update CONT
    wait_for update.out '^Added' $((deposits + 2))
  done
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "alwaysOn",
    "data": {"failCommands": ["update"], "errorCode": 189}}'
  wait_exit update
  assert_status 1
  assert_match '^update: .' "$stderr"
  assert_equal "$(wc -l <<<"$stderr" | tr -d ' ')" 1
  deposits=$(grep -c '^Added' <<<"$output")
  assert_line "Customers updated: $deposits"
  assert_equal "$(balances | cut -d' ' -f3 | sort | uniq -c | tr -s ' ')" "$(printf ' %s %s\n' $((60 - deposits)) 10 "$deposits" 110)"
}

# insert: made-up customers.

load helpers/helpers
load helpers/customers

@test "insert counts its customers from 1, names each, pauses or not, and the same seed makes the same ones" {
  run --separate-stderr script insert --records 3 --delay 0.9 --seed 6
  assert_success
  assert_took 2.7 # its pauses
  local n=0 customer customers
  customers=$(emails_and_balances accounts | while read -r customer; do
    echo "Inserted record: $((n += 1)) of 3: $customer"
  done)
  assert_transcript <<-TEXT
	Insert Bank Account Data
	---
	$customers
	---
	Customers inserted: 3
	TEXT

  # Indira is among them: in Turkish her small i would have no dot.
  JAVA_TOOL_OPTIONS='-Duser.language=tr -Duser.country=TR' \
    start same=insert --records 3 --delay 0 --seed 6 --collection same
  start others=insert --records 3 --delay 0 --seed 8 --collection others
  # Without a seed they are others each time.
  for _ in 1 2; do script insert --records 3 --delay 0 --collection more; done
  wait_exit same
  wait_exit others
  local all='"projection": {"_id": 0, "birthDate": 0}' # counted from today
  run mongo "{\"find\": \"accounts\", $all}" "{\"find\": \"same\", $all}" \
    "{\"find\": \"others\", $all}" "{\"find\": \"more\", $all}"
  assert_equal "${#lines[@]}" 15
  assert_equal "$(printf '%s\n' "${lines[@]:3:3}")" "$(printf '%s\n' "${lines[@]:0:3}")"
  assert_equal "$(printf '%s\n' "${lines[@]}" | sort -u | wc -l | tr -d ' ')" 12
}

@test "a customer looks as the original's does, and numbers stay in their ranges" {
  run --separate-stderr script insert --records 1500 --delay 0 --seed 1
  assert_success
  assert_equal "$(grep -oE '^Inserted record: [0-9]+ of 1500' <<<"$output")" \
    $'Inserted record: 1000 of 1500\nInserted record: 1500 of 1500'
  assert_line 'Customers inserted: 1500'

  local between='{"$elemMatch": {"type": "%s", "balance": {"$type": "int", "$gte": %s, "$lte": %s}}}' type
  # A real server makes a long of an int nowhere, and a look at the text would not tell the two apart.
  run mongo '{"find": "accounts"}' \
    "{\"count\": \"accounts\", \"query\": {\"accounts\": $(printf "$between" savings 1 5000)}}" \
    "{\"count\": \"accounts\", \"query\": {\"accounts\": $(printf "$between" checking -4999 5000)}}" \
    '{"count": "accounts", "query": {"accounts.overdraftLimit": {"$type": "int", "$gte": 0, "$lte": 9999}}}' \
    '{"count": "accounts", "query": {"accounts.interestRate": {"$type": "double", "$gte": 1.1, "$lte": 4.9}}}'
  assert_equal "$(grep -oE '^\{"n": [0-9]+' <<<"$output" | sort | uniq -c | tr -s ' ')" ' 4 {"n": 1500'

  # What differs is masked: then all are the same.
  output=$(grep -v '^{"n"' <<<"$output")
  assert_equal "$(masked <<<"$output" | uniq -c | tr -s ' ')" \
    " 1500 $(cat "$ROOT/test/transcripts/customer.txt")"

  local today ages
  today=$(date +%Y%m%d)
  ages=$(sed -E 's/.*"birthDate": "(..)-(..)-(....)".*/\3\1\2/' <<<"$output" |
    awk -v today="$today" '{ print int((today - $1) / 10000) }' | sort -nu)
  ((${ages%%$'\n'*} >= 16 && ${ages##*$'\n'} <= 90 && $(wc -l <<<"$ages") > 65)) || fail "ages: $ages"
  # The mobile number is the one among the phone numbers.
  assert_equal "$(grep -vE '"mobile", "number": ("[^"]*").*"mobileNumber": \1,' <<<"$output")" ''
}

@test "insert --delay 0 keeps no customers in memory" {
  # 20,000 of them would need three times as much.
  run "$ROOT/test/jbang" run --quiet -R=-Xmx24m "$ROOT/insert.java" --records 20000 --delay 0
  assert_success
  assert_line 'Customers inserted: 20000'
  assert_equal "$(count)" 20000
}

@test "insert can be stopped by Ctrl-C, and leaves whole customers and true totals" {
  start insert --delay 0 --records 10000000
  wait_for insert.out '^Inserted record'
  signal insert INT
  wait_exit insert
  assert_failure 130
  assert_equal "$stderr" ''
  local stopped=$(sed -n 's/^Customers inserted: //p' <<<"$output")
  assert_regex "$(grep '^Inserted record' <<<"$output" | tail -n 1)" \
    "^Inserted record: $stopped of 10000000: "
  assert_equal "$(count '{"accounts": {"$size": 2}, "address.zip": {"$type": "string"}}')" "$stopped"
}

@test "when a batch fails in the middle, insert says so in one line, with its totals" {
  mongo '{"createIndexes": "accounts",
    "indexes": [{"key": {"address.state": 1}, "name": "state_1", "unique": true}]}'
  script_fails 1 '^insert: .*E11000 duplicate key' insert --records 500 --delay 0
  assert_line --regexp '^Customers inserted: [1-9]'
  assert_line "Customers inserted: $(count)"
}

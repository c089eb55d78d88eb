# insert: made-up customers.

load helpers
load customers

@test "insert counts its customers from 1, pauses or not, and the same seed makes the same ones" {
  run --separate-stderr script insert --records 3 --delay 0.1 --seed 7
  assert_status 0
  assert_transcript <<-'TEXT'
	MongoDB Atlas DB URL: URI
	Database: DATABASE
	Collection: accounts
	============================================================
	Insert Bank Account Data
	============================================================
	Inserted record: 1 of 3
	Inserted record: 2 of 3
	Inserted record: 3 of 3
	============================================================
	Customers inserted: 3
	Total Time Elapsed (in seconds): TIME
	============================================================
	TEXT

  script insert --records 3 --delay 0 --seed 7 --collection same
  script insert --records 3 --delay 0 --seed 8 --collection others
  run mongo '{"find": "accounts", "projection": {"_id": 0}}' '{"find": "same", "projection": {"_id": 0}}' \
    '{"find": "others", "projection": {"_id": 0}}'
  assert_equal "${#lines[@]}" 9
  assert_equal "$(printf '%s\n' "${lines[@]:3:3}")" "$(printf '%s\n' "${lines[@]:0:3}")"
  assert_equal "$(printf '%s\n' "${lines[@]}" | sort -u | wc -l | tr -d ' ')" 6
}

@test "without a seed the customers are others each time" {
  script insert --records 1 --collection one
  script insert --records 1 --collection two
  run mongo '{"find": "one", "projection": {"_id": 0}}' '{"find": "two", "projection": {"_id": 0}}'
  assert_equal "${#lines[@]}" 2
  [ "${lines[0]}" != "${lines[1]}" ] || fail "the same twice: ${lines[0]}"
}

@test "a customer looks as the original's does, and numbers stay in their ranges" {
  run --separate-stderr script insert --records 1500 --delay 0 --seed 1
  assert_status 0
  assert_equal "$(grep ^Inserted <<<"$output")" $'Inserted record: 1000 of 1500\nInserted record: 1500 of 1500'
  assert_line 'Customers inserted: 1500'

  local between='{"$elemMatch": {"type": "%s", "balance": {"$type": "int", "$gte": %s, "$lte": %s}}}' type
  # A real server makes a long of an int nowhere, and a look at the text would not tell the two apart.
  run mongo '{"find": "accounts"}' \
    "{\"count\": \"accounts\", \"query\": {\"accounts\": $(printf "$between" savings 1 5000)}}" \
    "{\"count\": \"accounts\", \"query\": {\"accounts\": $(printf "$between" checking -4999 5000)}}" \
    '{"count": "accounts", "query": {"accounts.overdraftLimit": {"$type": "int", "$gte": 0, "$lte": 9999}}}' \
    '{"count": "accounts", "query": {"accounts.interestRate": {"$type": "double", "$gte": 1.1, "$lte": 4.9}}}'
  assert_equal "$(grep -oE '^\{"n": [0-9]+' <<<"$output" | sort | uniq -c | tr -s ' ')" ' 4 {"n": 1500'

  local text='"[^"]+"' number='"\([0-9]{3}\) [0-9]{3}-[0-9]{4}"' card='"[0-9]+(-?[0-9]+)*"' shape
  shape='\{"_id": \{"\$oid": "[0-9a-f]{24}"\}, '
  shape+="\"firstName\": $text, \"lastName\": $text, "
  shape+="\"phoneNumbers\": \[\{\"type\": \"mobile\", \"number\": $number\}, \{\"type\": \"home\", \"number\": $number\}\], "
  shape+="\"mobileNumber\": $number, \"email\": \"[a-z.]+@example\.org\", "
  shape+='"birthDate": "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])-[0-9]{4}", '
  shape+="\"address\": \{\"street\": $text, \"city\": $text, \"state\": $text, \"zip\": \"[0-9]{5}(-[0-9]{4})?\"\}, "
  shape+="\"accounts\": \[\{\"type\": \"savings\", \"accountNumber\": $card, \"interestRate\": [1-4]\.[0-9], \"balance\": [0-9]+\}, "
  shape+="\{\"type\": \"checking\", \"accountNumber\": $card, \"overdraftLimit\": [0-9]+, \"balance\": -?[0-9]+\}\]\}"
  output=$(grep -v '^{"n"' <<<"$output")
  refute_match . "$(grep -vxE "$shape" <<<"$output")"
  assert_equal "$(wc -l <<<"$output" | tr -d ' ')" 1500

  # 16 to 90 years old, and some of them at each end
  local today ages
  today=$(date +%Y%m%d)
  ages=$(sed -E 's/.*"birthDate": "(..)-(..)-(....)".*/\3\1\2/' <<<"$output" |
    while read -r born; do echo $(((today - born) / 10000)); done | sort -n | uniq)
  ((${ages%%$'\n'*} >= 16 && ${ages##*$'\n'} <= 90)) || fail "ages: $ages"
  (($(wc -l <<<"$ages") > 65)) || fail "only these ages: $ages"
  # The demo needs some of each kind.
  assert_match '"type": "checking"[^}]*"balance": -'
  assert_match '"type": "checking"[^}]*"balance": [1-4][0-9]{3}'
  # The mobile number is the one among the phone numbers.
  refute_match . "$(grep -vE '"mobile", "number": ("[^"]*").*"mobileNumber": \1,' <<<"$output")"
}

@test "insert --delay 0 keeps no customers in memory" {
  # 20,000 of them would need three times as much.
  run "$ROOT/test/jbang" run --quiet -R=-Xmx24m "$ROOT/insert.java" --records 20000 --delay 0
  assert_status 0
  assert_line 'Customers inserted: 20000'
  run mongo '{"count": "accounts"}' '{"drop": "accounts"}'
  assert_match '"n": 20000,'
}

@test "when the server goes away, insert says so in one line, with its totals" {
  start sandbox --port 0
  wait_for sandbox.out '^ready$'
  start insert --uri "$(grep -o 'mongodb://.*' sandbox.out)&serverSelectionTimeoutMS=3000" --delay 0.1 --records 1000
  wait_for insert.out '^Inserted record: 2 of 1000$'
  stop sandbox
  wait_exit insert
  assert_status 1
  assert_match '^insert: cannot reach MongoDB ' "$stderr"
  assert_equal "$(wc -l <<<"$stderr" | tr -d ' ')" 1
  assert_equal "$(sed -nE 's/^Customers inserted: //p' <<<"$output")" "$(grep -c '^Inserted record' <<<"$output")"
}

@test "insert can be killed, stopped by Ctrl-C or piped into head, and leaves whole customers and true totals" {
  start insert --delay 0 --records 10000000
  wait_for insert.out '^Inserted record' 2
  signal insert KILL
  wait_exit insert
  local printed killed stopped
  printed=$(($(grep -c '^Inserted record' <<<"$output") * 1000))

  start insert --delay 0 --records 10000000 --collection second
  wait_for insert.out '^Inserted record'
  signal insert INT
  wait_exit insert
  assert_status 130
  assert_equal "$stderr" ''
  stopped=$(sed -n 's/^Customers inserted: //p' <<<"$output")
  assert_equal "$(grep '^Inserted record' <<<"$output" | tail -n 1)" "Inserted record: $stopped of 10000000"

  limit=60 script insert --delay 0.01 --records 10000000 --collection third | head -n 8
  assert_equal "${PIPESTATUS[0]}" 0 # nobody reads on: it has ended by itself
  local whole='{"accounts": {"$size": 2}, "address.zip": {"$type": "string"}}'
  run mongo '{"count": "accounts"}' "{\"count\": \"accounts\", \"query\": $whole}" \
    '{"count": "second"}' "{\"count\": \"second\", \"query\": $whole}" '{"count": "third"}'
  lines=($(sed -E 's/^\{"n": ([0-9]+),.*/\1/' <<<"$output"))
  killed=${lines[0]}
  ((killed >= printed && killed <= printed + 1000)) || fail "$printed printed, $killed inserted"
  assert_equal "${lines[*]:1:3}" "$killed $stopped $stopped"
  ((lines[4] > 0 && lines[4] < 1000)) || fail "${lines[4]} inserted, and 8 lines read"
}

@test "a batch that fails in the middle counts as far as it came" {
  mongo '{"createIndexes": "accounts", "indexes": [{"key": {"address.state": 1}, "name": "state_1", "unique": true}]}'
  run --separate-stderr script insert --records 500 --delay 0
  assert_status 1
  assert_match '^insert: .*E11000 duplicate key' "$stderr"
  assert_equal "$(wc -l <<<"$stderr" | tr -d ' ')" 1
  assert_match '^Customers inserted: [1-9]'
  assert_line "Customers inserted: $(count)"
}

# Runs a script as on a terminal; script(1) is another on macOS than on Linux.
terminal() { # NAME [ARGUMENT…]
  local command=("$ROOT/test/jbang" run --quiet "$(path "$1")" "${@:2}")
  if command script --version >/dev/null 2>&1; then
    within 120 script --quiet --return --command "$(printf '%q ' "${command[@]}")" /dev/null
  else
    within 120 script -q /dev/null "${command[@]}"
  fi </dev/null
}

@test "on a terminal insert --delay 0 shows count, rate and time left on one line that rewrites itself" {
  unset NO_COLOR CLICOLOR_FORCE
  run terminal insert --records 4000 --delay 0
  assert_status 0
  local states seconds
  states=$(tr '\r' '\n' <<<"$output" | grep ^$'\e''\[KInserted' | cut -c4-)
  assert_match . "$states"
  refute_match . "$(grep -vxE 'Inserted record: [1-4]000 of 4000, [0-9]+ a second, [0-9]+:[0-9]{2} left' <<<"$states")"
  refute_match '.{80}' "$states"
  assert_equal "$(grep -c Inserted <<<"$output")" 1 # all within one line, which is empty in the end
  assert_match $'\r\e''\[K='
  assert_line $'Customers inserted: 4000\r'
  seconds=$(sed -nE 's/^Total Time.*: ([0-9]+).*/\1/p' <<<"$output")
  (($(wc -l <<<"$states") <= 4 * (seconds + 1))) || fail "too often in $seconds s:"$'\n'"$states"
}

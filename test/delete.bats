# delete: customers in the red.

load helpers
load customers

@test "delete deletes the customers with a negative checking account, and nobody else" {
  insert_documents "$(customer ann -1 5000)" "$(customer bob 0 10)" "$(customer cyd 10 -10)" "${odd_documents[@]}" \
    '{"_id": "dan", "lastName": "Roe", "accounts": [{"type": "checking", "balance": -4999}]}'
  mongo "{\"insert\": \"other\", \"documents\": [$(customer eve -1 1)]}"
  run --separate-stderr script delete --delay 0
  assert_status 0
  assert_transcript <<-'TEXT'
	MongoDB Atlas DB URL: URI
	Database: DATABASE
	Collection: accounts
	============================================================
	Delete Bank Account Data
	Checking Acct with negative balance
	============================================================
	Found Checking Account with negative balance.
	Successfully deleted customer with negative checking balance.
	Customer name: ann Doe
	Number of documents deleted: 1
	Found Checking Account with negative balance.
	Successfully deleted customer with negative checking balance.
	Customer name: Roe
	Number of documents deleted: 1
	============================================================
	Customers deleted: 2
	Total Time Elapsed (in seconds): TIME
	============================================================
	TEXT
  run mongo '{"find": "accounts", "projection": {"_id": 1}}' '{"find": "other", "projection": {"_id": 1}}'
  assert_equal "$output" "$(printf '{"_id": "%s"}\n' bob cyd sample empty text null bare words eve)"
}

@test "delete --collection --limit deletes no more than that, and only there; and none when nobody reads on" {
  local id people
  people=$(for id in {1..600}; do customer "$id" -1 1; done | paste -sd, -)
  mongo "{\"insert\": \"third\", \"documents\": [$people]}" "{\"insert\": \"accounts\", \"documents\": [$(customer ann -1 1)]}"
  mongo "{\"insert\": \"other\", \"documents\": [$(customer bob -1 1), $(customer cyd -1 1), $(customer dan -1 1)]}"
  run --separate-stderr script delete --collection other --limit 2 --delay 0
  assert_status 0
  assert_equal "$(grep '^Customer name' <<<"$output")" $'Customer name: bob Doe\nCustomer name: cyd Doe'
  assert_line 'Customers deleted: 2'
  script delete --collection third --delay 0 | head -n 20
  assert_equal "${PIPESTATUS[0]}" 0
  run mongo '{"find": "accounts", "projection": {"_id": 1}}' '{"find": "other", "projection": {"_id": 1}}' '{"count": "third"}'
  assert_equal "$(head -n 2 <<<"$output")" $'{"_id": "ann"}\n{"_id": "dan"}'
  assert_match '"n": [1-9]' "${lines[2]}"
}

@test "a customer who has paid in since is kept, and delete says so" {
  insert_documents "$(customer ann -1 1)" "$(customer bob -1 1)"
  start delete --delay 4
  wait_for delete.out '^Number of documents deleted: 1'
  meanwhile delete '{"update": "accounts", "updates": [{"q": {"_id": "bob"}, "u": {"$set": {"accounts.1.balance": 0}}}]}'
  wait_exit delete
  assert_status 0
  assert_equal "$(about_customers | tail -n +4)" "$(printf '%s\n' \
    'Number of documents deleted: 1' \
    'Found Checking Account with negative balance.' \
    'Not deleted: somebody changed this account since it was found.' \
    'Customer name: bob Doe' \
    'Number of documents deleted: 0')"
  assert_line 'Customers deleted: 1'
  assert_equal "$(balances)" 'bob 1 0'
}

# update: deposits.

load helpers/helpers
load helpers/customers

@test "update deposits \$100 into each checking account under \$1000, and nowhere else" {
  insert_documents "$(customer ann 999 5000)" "$(customer bob 1000 10)" "${odd_documents[@]}" \
    '{"_id": "d\u001ban", "firstName": "D\u001b[2Jan", "lastName": "Roe",
      "accounts": [{"type": "checking", "balance": 950}, {"type": "savings", "balance": 20}]}'
  mongo "{\"insert\": \"other\", \"documents\": [$(customer fay 1 1)]}"
  run --separate-stderr script update --delay 0
  assert_success
  assert_transcript <"$ROOT/test/transcripts/update.txt"
  # savings and checking, but for dan
  assert_equal "$(balances)" "$(printf '%s\n' 'ann 5000 1099' 'bob 10 1000' 'd\u001ban 1050 20')"
  assert_equal "$(count '{"accounts": {"$elemMatch": {"type": "checking", "balance": {"$type": "int"}}}}')" 3
}

@test "--account, --below, --deposit and --limit choose who gets how much" {
  insert_documents "$(customer ann 10 500)" "$(customer bob 10 499)" "$(customer cyd 600 499.5)" \
    "$(customer dan 10 1)"
  run --separate-stderr script update --account savings --below 500 --deposit 25 --limit 2 --delay 0.9
  assert_success
  assert_took 1.8 # its pauses
  assert_equal "$(grep -E '^(Found|Added)' <<<"$output")" "$(printf '%s\n' \
    'Found Savings Account with under $500.' 'Added $25 to customer acct with _id: bob' \
    'Found Savings Account with under $500.' 'Added $25 to customer acct with _id: cyd')"
  assert_line 'Customers updated: 2'
  assert_equal "$(balances)" "$(printf '%s\n' 'ann 500 10' 'bob 524 10' 'cyd 524.5 600' 'dan 1 10')"
}

# delete: customers in the red.

load helpers/helpers
load helpers/customers

@test "delete deletes the customers with a negative checking account, and nobody else" {
  insert_documents "$(customer 'a\u001bnn' -1 5000)" "$(customer bob 0 10)" "$(customer cyd 10 -10)" \
    "${odd_documents[@]}" \
    '{"_id": {"$binary": {"base64": "w6G1yHouT0OdCw9PfwobLA==", "subType": "04"}},
      "firstName": "D\u001b[2Jan", "lastName": "Roe", "accounts": [{"type": "checking", "balance": -4999}]}'
  mongo "{\"insert\": \"other\", \"documents\": [$(customer eve -1 1)]}"
  run --separate-stderr script delete --delay 0
  assert_success
  assert_transcript <"$ROOT/test/transcripts/delete.txt"
  run mongo '{"find": "accounts", "projection": {"_id": 1}}' '{"find": "other", "projection": {"_id": 1}}'
  assert_equal "$output" "$(printf '{"_id": "%s"}\n' bob cyd sample empty text null bare words eve)"
}

@test "delete --collection --limit deletes no more than that, and only there" {
  insert_documents "$(customer ann -1 1)"
  mongo "{\"insert\": \"other\", \"documents\": [
    $(customer bob -1 1), $(customer cyd -1 1), $(customer dan -1 1)]}"
  run --separate-stderr script delete --collection other --limit 2 --delay 0.9
  assert_success
  assert_took 1.8 # its pauses
  assert_equal "$(grep '^Customer name' <<<"$output")" $'Customer name: bob Doe\nCustomer name: cyd Doe'
  assert_line 'Customers deleted: 2'
  run mongo '{"find": "accounts", "projection": {"_id": 1}}' '{"find": "other", "projection": {"_id": 1}}'
  assert_equal "$output" $'{"_id": "ann"}\n{"_id": "dan"}'
}

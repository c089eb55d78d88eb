# replace: what an edit in Compass does.

load helpers/helpers
load helpers/customers
load helpers/listening

@test "replace wants a customer, who keeps all but the e-mail; the listener calls it a replace" {
  insert_documents "${odd_documents[0]}"
  run --separate-stderr script replace
  assert_equal "$status $stderr" '1 replace: there is no customer to replace - run insert first'
  insert_documents '{"_id": "ann", "firstName": "Ann", "lastName": "Roe",
    "email": "ann@example.org", "accounts": [{"type": "savings", "balance": 5}], "vip": true}'
  start listener
  wait_for listener.out '^Replace listener thread started'
  run --separate-stderr script replace
  assert_success
  assert_equal "$(sed -n '/^Replaced/,/^===/p' <<<"$output")" "$(printf '%s\n' \
    'Replaced customer with _id: ann' \
    'Customer: Ann Roe' \
    'E-mail before: ann@example.org' \
    'E-mail now: new.ann@example.org' \
    ============================================================)"
  local email=$(sed -n 's/^E-mail now: //p' <<<"$output")
  assert_equal "$(documents)" "${odd_documents[0]}
{\"_id\": \"ann\", \"firstName\": \"Ann\", \"lastName\": \"Roe\", \"email\": \"$email\", \
\"accounts\": [{\"type\": \"savings\", \"balance\": 5}], \"vip\": true}"
  wait_for listener.out '^=== REPLACE EVENT ===$'
  wait_for listener.out '^Customer: Ann Roe$' # both screens show it
  run script replace
  assert_line 'E-mail now: ann@example.org'
  local many=$(each 1 10000 "$(customer '"\\u0007&"' 'b\\u0007ob' 5 5)")
  mongo "{\"insert\": \"many\", \"documents\": [$(customer 0 ann 5 5), $many]}"
  run script replace --collection many
  assert_line --regexp '^Replaced customer with _id: \?[0-9]+$' # any of them: ann once in ten thousand
  assert_line 'Customer: b?ob Smith'
}

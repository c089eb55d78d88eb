# resume_update: customers numbered 1, 2, 3 ...

load helpers/helpers
load helpers/customers

@test "resume_update numbers the customers with checking over \$1000, and a second run goes on" {
  insert_documents "$(customer 'a\u001bnn' 1001 1)" "$(customer bob 1000 5000)" "${odd_documents[@]}"
  mongo "{\"insert\": \"other\", \"documents\": [$(customer dan 2000 1)]}"
  run --separate-stderr script resume_update --delay 0
  assert_success
  assert_transcript <"$ROOT/test/transcripts/resume_update.txt"
  insert_documents "$(customer eve 2000 1)" "$(customer fay 2000 1)"
  run --separate-stderr script resume_update --delay 1.9 --limit 1
  assert_success
  assert_took 1.9 # its pauses
  assert_equal "$(grep ^Counter <<<"$output")" 'Counter value: 2'
  assert_line 'Customers updated: 1'
  assert_equal "$(counters)" $'a\\u001bnn 1\neve 2'
  assert_regex "$(mongo '{"count": "other", "query": {"resumeCounter": {"$exists": true}}}')" '^\{"n": 0,'
}

@test "numbering goes on from the highest number, be it larger than an int, and asks the primary for it" {
  insert_documents "$(customer ann 2000 1)" "$(customer bob 2000 1)" \
    '{"_id": "dan", "resumeCounter": 3000000000}' \
    '{"_id": "eve", "resumeCounter": 7}' '{"_id": "fay", "resumeCounter": "many"}' \
    '{"_id": "gil", "resumeCounter": [4000000000]}'
  # A secondary may not have the highest yet (here is none).
  run --separate-stderr script resume_update --uri "$TEST_MONGODB_URI&readPreference=secondary" --delay 0
  assert_success
  assert_equal "$(counters)" \
    "$(printf '%s\n' 'ann 3000000001' 'bob 3000000002' 'dan 3000000000' 'eve 7' 'fay "many"' \
      'gil [4000000000]')"
}

@test "--check asks the database: after a kill and another run no number is missing or there twice" {
  local id people=()
  for id in {1..400}; do people+=("$(customer "$id" 2000 1)"); done
  insert_documents "${people[@]}"
  script_fails 1 '^resume_update: no customer has a resumeCounter - ' resume_update --check
  start resume_update --delay 0.01
  wait_for resume_update.out '^Counter value' 20
  signal resume_update KILL
  wait_exit resume_update
  run --separate-stderr script resume_update --delay 0
  assert_line 'Counter value: 400'
  run --separate-stderr script resume_update --check
  assert_success
  assert_equal "$(tail -n +4 <<<"$output")" 'numbers 1..400: 0 not there, 0 there twice'

  # 7 is there twice; 1, 10, 11 and 12 are gone. Those three are unnumbered, and stay so.
  mongo '{"update": "accounts", "updates": [{"q": {"resumeCounter": 1}, "u": {"$set": {"resumeCounter": 7}}},
      {"q": {"resumeCounter": {"$gte": 10, "$lte": 12}}, "u": {"$unset": {"resumeCounter": 1}},
        "multi": true}]}' \
    '{"insert": "accounts", "documents": [{"resumeCounter": "many"}, {"resumeCounter": [3]}]}'
  run --separate-stderr script resume_update --check
  assert_failure 1
  assert_equal "$stderr" ''
  assert_line 'numbers 1..400: 4 not there, 1 there twice'
  assert_equal "$(count '{"resumeCounter": {"$gte": 1, "$lte": 400}, "accounts": {"$size": 2}}')" 397
  mongo '{"insert": "twice", "documents": [{"resumeCounter": 1}, {"resumeCounter": 1}]}'
  run --separate-stderr script resume_update --check --collection twice
  assert_failure 1
}

# reset: a fresh collection with one sample customer.

load helpers/helpers
load helpers/customers

@test "reset drops the collection, creates it again with a sample, and leaves others alone" {
  mongo '{"insert": "accounts", "documents": [{"_id": "old"}]}' \
    '{"insert": "other", "documents": [{"_id": "kept"}]}' \
    '{"createIndexes": "accounts",
      "indexes": [{"key": {"email": 1}, "name": "email_1", "unique": true, "sparse": true}]}'
  run --separate-stderr script reset
  assert_success
  assert_transcript <"$ROOT/test/transcripts/reset.txt"
  local id=$(sed -n 's/^Sample record id: //p' <<<"$output")
  run mongo '{"find": "accounts"}' '{"find": "other"}' '{"listIndexes": "accounts"}'
  assert_equal "${lines[0]}" \
    "{\"_id\": {\"\$oid\": \"$id\"}, \"firstName\": \"My First Name\", \"lastName\": \"My Last Name\"}"
  assert_equal "${lines[1]}" '{"_id": "kept"}'
  assert_line --regexp '"_id_"'
  refute_line --regexp 'email_1' # emptied is not dropped
}

@test "reset --pre-images turns them on, also where no collection was, and reset alone turns them off" {
  needs 6
  local images='"changeStreamPreAndPostImages": \{"enabled": true\}'
  for _ in 1 2; do # also where one was
    run --separate-stderr script reset --collection bank --pre-images
  done
  assert_success
  assert_line 'Created collection: bank, with pre-images'
  run mongo '{"listCollections": 1}' '{"count": "bank"}'
  assert_line --regexp "\"name\": \"bank\".*$images"
  assert_line --regexp '^\{"n": 1,'
  run --separate-stderr script reset --collection bank
  assert_success
  assert_line 'Created collection: bank'
  run mongo '{"listCollections": 1}'
  refute_line --regexp "$images"
}

@test "where pre-images cannot be had, reset --pre-images drops nothing, and says why" {
  refused() { # REASON
    script_fails 1 "^reset: $1$" reset --pre-images
    assert_equal "$(documents)" '{"_id": "kept"}'
  }
  own_sandbox --like 5.0
  insert_documents '{"_id": "kept"}'
  refused 'pre-images need MongoDB 6\.0'
  fault '{"times": 1}' '"errorCode": 72' create # 6.0 that is told to be as 5.0
  refused 'pre-images need MongoDB 6\.0'
  for code in 13 8000; do # Unauthorized, and how Atlas says it
    fault '{"times": 1}' "\"errorCode\": $code" create
    refused '.* - has the user readWrite\?'
  done
}

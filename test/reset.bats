# reset: a fresh collection with one sample customer.

load helpers
load customers

@test "reset drops the collection, creates it again with a sample, and leaves others alone" {
  mongo '{"insert": "accounts", "documents": [{"_id": "old"}]}' '{"insert": "other", "documents": [{"_id": "kept"}]}' \
    '{"createIndexes": "accounts", "indexes": [{"key": {"email": 1}, "name": "email_1", "unique": true, "sparse": true}]}'
  run --separate-stderr script reset
  assert_status 0
  assert_transcript <<-'TEXT'
	MongoDB Atlas DB URL: URI
	Database: DATABASE
	Collection: accounts
	============================================================
	RESET SCRIPT
	============================================================
	Dropping collection: accounts
	Create collection: accounts
	Sample record id: ID
	============================================================
	Total Time Elapsed (in seconds): TIME
	============================================================
	TEXT
  local id
  id=$(sed -n 's/^Sample record id: //p' <<<"$output")
  run mongo '{"find": "accounts"}' '{"find": "other"}' '{"listIndexes": "accounts"}'
  assert_equal "${lines[0]}" \
    "{\"_id\": {\"\$oid\": \"$id\"}, \"firstName\": \"My First Name\", \"lastName\": \"My Last Name\"}"
  assert_equal "${lines[1]}" '{"_id": "kept"}'
  assert_match '"_id_"'
  refute_match 'email_1' # emptied is not dropped
}

@test "reset creates the collection of a database that is not there yet" {
  run --separate-stderr script reset --collection first
  assert_status 0
  assert_line 'Dropping collection: first'
  run mongo '{"find": "first"}' '{"listCollections": 1}'
  assert_equal "${#lines[@]}" 2
}

@test "reset --pre-images turns them on also while inserts run, and changes nothing on a server that has none" {
  start sandbox --port 0
  wait_for sandbox.out '^ready$'
  local TEST_MONGODB_URI options
  TEST_MONGODB_URI=$(grep -o 'mongodb://.*' sandbox.out)
  start insert --uri "$TEST_MONGODB_URI" --delay 0.01 --records 1000000
  wait_for insert.out '^Inserted record'
  # Each create comes late, when an insert has created the collection already.
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "alwaysOn",
    "data": {"failCommands": ["create"], "blockConnection": true, "blockTimeMS": 500}}'
  for options in --pre-images '' --pre-images '--pre-images --collection=other'; do
    run --separate-stderr script reset --uri "$TEST_MONGODB_URI" $options
    assert_status 0
    assert_equal "$stderr" ''
    assert_equal "$(grep ^Pre <<<"$output")" "${options:+Pre-images: enabled}"
  done
  signal insert INT
  wait_exit insert
  assert_status 130
  assert_equal "$stderr" ''

  local whole='{"accounts": {"$size": 2}, "address.zip": {"$type": "string"}}'
  run mongo '{"listCollections": 1}' "{\"count\": \"accounts\", \"query\": {\"\$nor\": [$whole]}}" \
    "{\"count\": \"accounts\", \"query\": $whole}"
  local images='"changeStreamPreAndPostImages": {"enabled": true}'
  assert_match "\"name\": \"accounts\".*$images"
  assert_match "\"name\": \"other\".*$images"
  assert_match '^\{"n": 1,' "${lines[2]}"           # the sample
  assert_match '^\{"n": [1-9][0-9]*,' "${lines[3]}" # customers since

  # What a server before MongoDB 6.0 answers.
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": "alwaysOn",
    "data": {"failCommands": ["create", "collMod"], "errorCode": 72}}'
  run --separate-stderr script reset --uri "$TEST_MONGODB_URI" --pre-images
  assert_status 2
  assert_match '^reset: the server refuses --pre-images \(.*\) - they need MongoDB 6\.0 or newer' "$stderr"
  assert_equal "$(wc -l <<<"$stderr" | tr -d ' ')" 1
  refute_match '^Dropping'
  run mongo '{"count": "accounts"}'
  refute_match '^\{"n": [01],'
}

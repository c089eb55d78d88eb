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

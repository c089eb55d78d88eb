# resume_update: customers numbered 1, 2, 3 ...

load helpers
load customers

counters() {
  documents '{"resumeCounter": {"$exists": true}}' '{"resumeCounter": 1}' |
    sed -E 's/^\{"_id": "(.*)", "resumeCounter": (.*)\}$/\1 \2/'
}

@test "resume_update numbers the customers with checking over \$1000, and a second run goes on" {
  insert_documents "$(customer ann 1001 1)" "$(customer bob 1000 5000)" "${odd_documents[@]}" "$(customer cyd 4999 1)"
  mongo "{\"insert\": \"other\", \"documents\": [$(customer dan 2000 1)]}"
  run --separate-stderr script resume_update --delay 0
  assert_status 0
  assert_transcript <<-'TEXT'
	MongoDB Atlas DB URL: URI
	Database: DATABASE
	Collection: accounts
	============================================================
	Resume Example
	Update a field on Checking Accts w/ balance > $1k
	============================================================
	Found Checking Account w/ balance > $1000.
	Successful update with matched: 1 and modified count: 1
	Incremented resumeCounter to customer acct with _id: ann
	Counter value: 1
	Found Checking Account w/ balance > $1000.
	Successful update with matched: 1 and modified count: 1
	Incremented resumeCounter to customer acct with _id: cyd
	Counter value: 2
	============================================================
	Customers updated: 2
	Total Time Elapsed (in seconds): TIME
	============================================================
	TEXT
  assert_equal "$(counters)" $'ann 1\ncyd 2'

  insert_documents "$(customer eve 2000 1)" "$(customer fay 2000 1)"
  run --separate-stderr script resume_update --delay 0 --limit 1
  assert_status 0
  assert_equal "$(grep ^Counter <<<"$output")" 'Counter value: 3'
  assert_line 'Customers updated: 1'
  run mongo '{"find": "accounts", "filter": {"resumeCounter": {"$gt": 0}}, "projection": {"resumeCounter": 1}}' \
    '{"count": "other", "query": {"resumeCounter": {"$exists": true}}}'
  assert_equal "$(printf '%s\n' "${lines[@]:0:3}")" "$(printf '{"_id": "%s", "resumeCounter": %s}\n' ann 1 cyd 2 eve 3)"
  assert_match '^\{"n": 0,' "${lines[3]}"
}

@test "numbering goes on from the highest number, and one who is numbered or poor by now uses up none" {
  insert_documents "$(customer ann 2000 1)" "$(customer bob 2000 1)" "$(customer cyd 2000 1)" \
    '{"_id": "dan", "resumeCounter": 41}' '{"_id": "eve", "resumeCounter": 7}' '{"_id": "fay", "resumeCounter": "many"}'
  start resume_update --delay 4
  wait_for resume_update.out '^Counter value: 42$'
  meanwhile resume_update \
    '{"update": "accounts", "updates": [{"q": {"_id": "bob"}, "u": {"$set": {"accounts.1.balance": 1000}}}]}'
  wait_exit resume_update
  assert_status 0
  assert_equal "$(about_customers | tail -n +5)" "$(printf '%s\n' \
    'Found Checking Account w/ balance > $1000.' \
    'No update, matched: 0. Somebody changed this customer since it was found.' \
    'Found Checking Account w/ balance > $1000.' \
    'Successful update with matched: 1 and modified count: 1' \
    'Incremented resumeCounter to customer acct with _id: cyd' \
    'Counter value: 43')"
  assert_line 'Customers updated: 2'
  assert_equal "$(counters)" "$(printf '%s\n' 'ann 42' 'cyd 43' 'dan 41' 'eve 7' 'fay "many"')"
}

@test "--check asks the database: after a kill, a pipe into head and another run no number is missing or there twice" {
  local id people=()
  for id in {1..400}; do people+=("$(customer "$id" 2000 1)"); done
  insert_documents "${people[@]}"
  start resume_update --delay 0
  wait_for resume_update.out '^Counter value' 20
  signal resume_update KILL
  wait_exit resume_update
  script resume_update --delay 0 | head -n 20
  assert_equal "${PIPESTATUS[0]}" 0
  run --separate-stderr script resume_update --delay 0
  assert_line 'Counter value: 400'
  refute_line 'Customers updated: 0' # it had not gone on when nobody read what it printed
  run --separate-stderr script resume_update --check
  assert_status 0
  assert_transcript <<-'TEXT'
	MongoDB Atlas DB URL: URI
	Database: DATABASE
	Collection: accounts
	============================================================
	Resume Check
	============================================================
	counters 1..400, 0 missed, 0 repeated
	Customers numbered: 400
	============================================================
	Total Time Elapsed (in seconds): TIME
	============================================================
	TEXT

  # 7 is there twice; 3, 10, 11 and 12 are gone.
  mongo '{"update": "accounts", "updates": [{"q": {"resumeCounter": 3}, "u": {"$set": {"resumeCounter": 7}}},
      {"q": {"resumeCounter": {"$gte": 10, "$lte": 12}}, "u": {"$unset": {"resumeCounter": 1}}, "multi": true}]}' \
    '{"insert": "accounts", "documents": [{"resumeCounter": "many"}, {"resumeCounter": 0}]}'
  run --separate-stderr script resume_update --check
  assert_status 1
  assert_equal "$stderr" ''
  assert_equal "$(sed -n '/^counters/,/^=/p' <<<"$output")" "$(printf '%s\n' \
    'counters 1..400, 4 missed, 1 repeated' 'Customers numbered: 397' 'Missed: 3, 10..12' 'Repeated: 7' \
    ============================================================)"

  # Those three are unnumbered still: it has changed nothing.
  run mongo '{"delete": "accounts", "deletes": [{"q": {"resumeCounter": {"$gt": 0}}, "limit": 0}]}'
  assert_match '"n": 397,'
  run --separate-stderr script resume_update --check
  assert_status 0
  assert_line 'Nobody is numbered yet: run resume_update first.'
  run --separate-stderr script resume_update --check --delay 1
  assert_status 2
  assert_equal "$stderr" \
    'resume_update: --check changes nothing - leave out --delay and --limit (see resume_update --help)'
}

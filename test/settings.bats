# Settings: where they come from, and what is refused. The plumbing is the same text in all scripts (scripts.bats proves
# it), so one or two of them stand for all.

load helpers

# No server: a script that looks for one prints the settings it has found, and ends with exit code 1.
nowhere='mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1'

# refused REGEX NAME [ARGUMENT…]   expects exit code 2, one line on stderr, nothing on stdout: it has not even connected
# failed REGEX NAME [ARGUMENT…]    expects exit code 1, one line on stderr, the settings on stdout and nothing after them
#
# None may show s3cret, which stands for the password in what a script is given. Each takes its second or two, so some
# run side by side: check_all waits for the last.
refused() { expect 2 "$@"; }
failed() { expect 1 "$@"; }

codes=() regexes=() checked=0
expect() { # CODE REGEX NAME [ARGUMENT…]
  start "case${#codes[@]}=$3" "${@:4}"
  codes+=("$1") regexes+=("$2")
  ((${#codes[@]} - checked < 4)) || check_next
}

check_next() {
  local label=case$checked code=${codes[checked]} regex=${regexes[checked]}
  checked=$((checked + 1))
  wait_exit "$label" $((code == 1 ? 28 : 60)) # the driver by itself would wait 30 s for a server
  assert_status "$code"
  assert_match "$regex" "$stderr"
  assert_equal "$(grep -c '' "$label.err")" 1
  case $code in
    1) assert_equal "$(sed 's/:.*//' "$label.out")" $'MongoDB Atlas DB URL\nDatabase\nCollection' ;;
    2) assert_equal "$output" '' ;;
  esac
  refute_match s3cret "$output$stderr"
}

check_all() {
  while ((checked < ${#codes[@]})); do check_next; done
}

nothing_written() {
  assert_equal "$(mongo '{"listCollections": 1}')" ''
}

found() { # LABEL: the settings that it has printed
  wait_exit "$1"
  assert_status 1
  sed 's/^[^:]*: //' <<<"$output" | paste -sd' ' -
}

@test "an option beats the environment, this beats .env unless it is empty, and .env beats the default" {
  printf '%s\n' "MONGODB_ATLAS_URL=$nowhere&appName=file" DATABASE=file_db COLLECTION=file_coll >.env
  echo "MONGODB_ATLAS_URL=$nowhere&appName=other" >other.env
  MONGODB_ATLAS_URL='' DATABASE='' COLLECTION='' start file=reset
  MONGODB_ATLAS_URL="$nowhere&appName=env" DATABASE=env_db COLLECTION=env_coll start environment=reset
  MONGODB_ATLAS_URL="$nowhere&appName=env" DATABASE=env_db COLLECTION=env_coll \
    start option=reset --uri "$nowhere&appName=option" --database option_db --collection option_coll
  start default=reset --env-file other.env
  assert_equal "$(found file)" "$nowhere&appName=file file_db file_coll"
  assert_equal "$(found environment)" "$nowhere&appName=env env_db env_coll"
  assert_equal "$(found option)" "$nowhere&appName=option option_db option_coll"
  assert_equal "$(found default)" "$nowhere&appName=other bankdatabase accounts"
}

@test "the number of customers is an option, in the environment, in .env, or 100" {
  local first='^Inserted record: 1 of'
  printf '%s\n' "MONGODB_ATLAS_URL=$TEST_MONGODB_URI" "DATABASE=$database" >other.env
  NUM_RECORDS_TO_GENERATE='' start file=insert
  NUM_RECORDS_TO_GENERATE=11 start environment=insert
  NUM_RECORDS_TO_GENERATE=11 start option=insert --records 12
  start default=insert --env-file other.env
  wait_for file.out "$first 10$"
  wait_for environment.out "$first 11$"
  wait_for option.out "$first 12$"
  wait_for default.out "$first 100$"
}

@test "an .env as it was written for the Python original is understood" {
  cat >.env <<-'ENV'
	# change stream demo

	NUM_RECORDS_TO_GENERATE = 100
	DATABASE = early
	DATABASE = "bankdatabase" # in quotes; the last one counts
	COLLECTION=clients   # and without
	UNUSED=
	MONGODB_ATLAS_URL = mongodb://ann:s3cret@127.0.0.1:1/bankdatabase?retryWrites=true&serverSelectionTimeoutMS=1
	ENV
  run --separate-stderr script reset
  assert_status 1 # as nobody listens there
  assert_equal "$output" "$(printf '%s\n' \
    'MongoDB Atlas DB URL: mongodb://ann:***@127.0.0.1:1/bankdatabase?retryWrites=true&serverSelectionTimeoutMS=1' \
    'Database: bankdatabase' \
    'Collection: clients')"
}

@test "a line in .env that could be misread is refused with its number, and its value not shown" {
  local line lines=(
    'export MONGODB_ATLAS_URL=s3cret'
    "MONGODB_ATLAS_URL='s3cret'"
    'MONGODB_ATLAS_URL="s3cret'
    'MONGODB_ATLAS_URL=pass#s3cret'
    'MONGODB_ATLAS_URL=${s3cret}'
    '  # indented s3cret'
    's3cret'
  )
  for line in "${lines[@]}"; do
    local file=env${#codes[@]}
    printf '%s\n' "DATABASE=$database" '' "$line" COLLECTION=accounts >"$file"
    refused "^reset: $file:3: .*KEY=value" reset --uri "$TEST_MONGODB_URI" --env-file "$file"
  done
  printf '\xef\xbb\xbfMONGODB_ATLAS_URL=s3cret\n' >.env
  refused '^reset: \.env:1: ' reset # a byte order mark
  refused '^reset: missing.env cannot be read .*exist' reset --env-file missing.env
  check_all
}

@test "without a usable connection string nothing starts, and a line says what to do" {
  rm .env
  refused '^reset: no MongoDB to connect to .*cp .env.example .env.*--uri' reset
  echo 'MONGODB_ATLAS_URL = <Valid URL>' >original.env # as the original's example has it
  refused '^insert: .*placeholder' insert --env-file original.env
  refused '^reset: .*placeholder' reset --uri 'mongodb+srv://ann:<password>@cluster.example.mongodb.net/'
  refused '^reset: .*malformed' reset --uri localhost:27017
  refused '^reset: .*malformed .*%40' reset --verbose --uri mongodb://ann:s3cret@s3cret@127.0.0.1:1/
  refused '^reset: .*malformed .*%2F' reset --verbose --uri mongodb://ann:s3cret/s3cret@127.0.0.1:1/
  check_all
}

@test "a server that cannot be reached or does not let us in is told within seconds, in a line" {
  failed '^reset: cannot reach MongoDB .*Connection refused.* does it run' reset --uri mongodb://ann:s3cret@127.0.0.1:1/
  failed '^insert: cannot reach MongoDB .*no-such-host.invalid' insert --uri mongodb://ann:s3cret@no-such-host.invalid/
  failed '^insert: cannot reach MongoDB ' insert --uri mongodb+srv://ann:s3cret@no-such-host.invalid/
  failed '^reset: MongoDB refused user or password ' reset --uri "$(wrong_password)"
  check_all
  nothing_written
}

wrong_password() {
  local host=${TEST_MONGODB_URI#*://}
  echo "${TEST_MONGODB_URI%%://*}://ann:s3cret%40s3cret@${host##*@}"
}

@test "a standalone server is told, with how to start a replica set, and nothing is written there" {
  start standalone=sandbox --port 0 --standalone
  wait_for standalone.out '^ready$'
  TEST_MONGODB_URI=$(grep -o 'mongodb://.*' standalone.out)
  failed '^reset: change streams need a replica set.*mongod --replSet.*rs.initiate\(\)' reset --uri "$TEST_MONGODB_URI"
  failed '^insert: change streams need a replica set' insert --uri "$TEST_MONGODB_URI"
  check_all
  nothing_written
}

@test "a number that is none, negative or too large is refused before anything is written" {
  local number='^insert: --records must be a whole number from 0 to 10000000, not'
  refused "$number 'ten' " insert --records ten
  refused "$number '-1' " insert --records -1
  refused "$number '10000001' " insert --records 10000001
  NUM_RECORDS_TO_GENERATE=ten refused "^insert: NUM_RECORDS_TO_GENERATE must be .*'ten' " insert
  refused '^insert: --delay must be from 0 to 3600 ' insert --delay -1
  refused '^update: .*--below.*much' update --below much
  refused '^update: --deposit must be from 0 to ' update --deposit -1
  refused '^update: .*--account.*piggybank' update --account piggybank
  refused '^delete: --limit must be from 1 to ' delete --limit 0
  refused '^resume_update: .*--limit.*99999999999' resume_update --limit 99999999999
  check_all
  nothing_written
}

@test "an empty or illegal name of a database or collection is refused before anything is written" {
  local name
  for name in '' a.b admin; do
    refused "^insert: '$name' cannot be the database " insert --database "$name"
  done
  for name in '' 'a.b$' system.x; do
    refused "^insert: '${name/$/\\$}' cannot be the collection " insert --collection "$name"
  done
  check_all
  nothing_written
}

@test "an unknown option or argument is refused, and a password in it not shown" {
  refused '^reset: .*--databse.* did you mean --database' reset --databse x
  refused '^reset: .*--url' reset --url mongodb://ann:s3cret@127.0.0.1/
  refused '^reset: .*mongodb://ann:\*\*\*@' reset mongodb://ann:s3cret@127.0.0.1/
  check_all
}

@test "the password is masked however it is written, and --verbose shows no more" {
  local label
  start plain=reset --verbose --uri 'mongodb://ann:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=1'
  start encoded=reset --verbose --uri 'mongodb://ann%3As3cret:%40s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=1'
  start wrong=reset --verbose --uri "$(wrong_password)"
  for label in plain encoded wrong; do
    wait_exit $label
    assert_status 1
    assert_match '^MongoDB Atlas DB URL: mongodb://ann:\*\*\*@'
    assert_match '^[[:space:]]+at reset\.' "$stderr" # the stack trace
    refute_match s3cret "$output$stderr"
  done
}

# Settings: where they come from, and what is refused. The plumbing is the same text in all scripts (scripts.bats proves
# it), so one or two of them stand for all.

load helpers/helpers

# refused REGEX NAME [ARGUMENT…]   expects exit code 2, one line on stderr, and on stdout the settings at most; and no
# failed REGEX NAME [ARGUMENT…]    s3cret, which stands for the passwords in what a script is given. Or exit code 1.
refused() { expect 2 "$@"; }
failed() { expect 1 "$@"; }

expect() { # CODE REGEX NAME [ARGUMENT…]
  limit=25 run --separate-stderr script "${@:3}" # the driver by itself would wait 30 s for a server
  assert_failure "$1"
  assert_error "$2"
  assert_equal "$(grep -vE '^(MongoDB Atlas DB URL|Database|Collection): ' <<<"$output")" ''
  refute_regex "$output$stderr" s3cret
}

nothing_written() {
  assert_equal "$(mongo '{"listCollections": 1}')" ''
}

# settings DIRECTORY [OPTION…]: those that a script in this folder has found, on one line
settings() {
  (cd "$1" && script reset "${@:2}" 2>/dev/null) | sed 's/^[^:]*: //' | paste -sd' ' -
}

@test "an option beats the environment, this beats .env, and .env beats the default" {
  at() { echo "mongodb://127.0.0.1:1/$1?serverSelectionTimeoutMS=1"; } # nobody listens there
  printf '%s\n' "MONGODB_ATLAS_URL=$(at file)" DATABASE=file_db COLLECTION=file_coll >.env
  mkdir elsewhere # no .env here
  assert_equal "$(settings elsewhere --uri "$(at option)")" 'mongodb://127.0.0.1:1/option bankdatabase accounts'
  assert_equal "$(settings .)" 'mongodb://127.0.0.1:1/file file_db file_coll'
  export MONGODB_ATLAS_URL DATABASE=env_db COLLECTION=env_coll
  MONGODB_ATLAS_URL=$(at env)
  assert_equal "$(settings .)" 'mongodb://127.0.0.1:1/env env_db env_coll'
  assert_equal "$(settings . --uri "$(at option)" --database option_db --collection option_coll)" \
    'mongodb://127.0.0.1:1/option option_db option_coll'
}

@test "an .env as it was written for the Python original is understood" {
  cat >.env <<-'ENV'
	# change stream demo

	NUM_RECORDS_TO_GENERATE = 3
	DATABASE = "bankdatabase"
	COLLECTION=clients
	UNUSED=
	MONGODB_ATLAS_URL = "mongodb://ann:s3cret@127.0.0.1:1/bankdatabase?retryWrites=true&serverSelectionTimeoutMS=1"
	ENV
  assert_equal "$(settings .)" 'mongodb://ann:***@127.0.0.1:1/bankdatabase bankdatabase clients'
  run --separate-stderr script insert --uri "$TEST_MONGODB_URI" --database "$database" --delay 0
  assert_line 'Customers inserted: 3'
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
    $'\xef\xbb\xbfMONGODB_ATLAS_URL=s3cret' # a byte order mark
  )
  for line in "${lines[@]}"; do
    printf '%s\n' "DATABASE=$database" '' "$line" COLLECTION=accounts >.env
    refused '^reset: \.env:3: .*NAME=value' reset --uri "$TEST_MONGODB_URI"
  done
  nothing_written
}

@test "without a usable connection string nothing starts, and a line says what to do" {
  rm .env
  local malformed='^reset: MONGODB_ATLAS_URL, .* is missing or malformed .*%40'
  refused "$malformed" reset
  refused "$malformed" reset --uri localhost:27017
  refused "$malformed" reset --uri 'mongodb+srv://ann:<s3cret@s3cret>@cluster.example.mongodb.net/'
  refused "$malformed" reset --uri mongodb://ann:s3cret@s3cret@127.0.0.1:1/
  refused "$malformed" reset --uri mongodb://ann:s3cret/s3cret@127.0.0.1:1/
  refused "$malformed" reset --uri 'mongodb://ann:s3cret?s3cret@127.0.0.1:1/'
  refused "$malformed" reset --uri 'mongodb://127.0.0.1:1/?proxyPassword=s3cret'
}

@test "a server that cannot be reached or does not let us in is told within seconds, in a line" {
  local soon='?serverSelectionTimeoutMS=100'
  failed '^reset: cannot reach MongoDB .*Connection refused.* does it run' reset --uri mongodb://ann:s3cret@127.0.0.1:1/
  failed '^insert: cannot reach MongoDB .*no-such-host.invalid' \
    insert --uri "mongodb://ann:s3cret@no-such-host.invalid/$soon"
  failed '^insert: cannot reach MongoDB ' insert --uri "mongodb+srv://ann:s3cret@no-such-host.invalid/$soon"
  local server=${TEST_MONGODB_URI#*://} # and maybe a user
  failed '^reset: MongoDB refused the login .*password .*certificate' \
    reset --uri "${TEST_MONGODB_URI%%://*}://ann:s3cret%40s3cret@${server#*@}"
  nothing_written
}

@test "a standalone server is told, with how to start a replica set, and nothing is written there" {
  own_sandbox --standalone
  refused '^reset: change streams need a replica set.*mongod --replSet.*rs.initiate\(\)' reset
  refused '^listener: change streams need a replica set' listener
  nothing_written
}

@test "what is no number, no choice, no option or no name is refused before anything is written" {
  refused '^insert: .*--records.*ten' insert --records ten
  NUM_RECORDS_TO_GENERATE=many refused '^insert: .*many' insert
  refused '^update: .*--below.*much' update --below much
  refused '^update: .*--account.*piggybank' update --account piggybank
  refused '^resume_update: .*--limit.*99999999999' resume_update --limit 99999999999
  refused '^listener: .*--fail-for.*x' listener --fail-for x
  refused '^listener: .*--scope.*world' listener --scope world
  refused '^reset: .*--databse' reset --databse x
  refused '^insert: .*DATABASE' insert --database a.b
  refused '^insert: .*COLLECTION' insert --collection ''
  nothing_written
}

@test "no password or token is shown, wherever in a connection string it stands" {
  local host=127.0.0.1:1 uri
  for uri in 'mongodb://ann:s3cret@%/?' 'mongodb://ann%3As3cret:%40s3cret@%/?' 'mongodb://ann:x@%?appName=x@s3cret&' \
    'mongodb://ann:x@%/?proxyHost=127.0.0.1&proxyUsername=ann&proxyPassword=s3cret@s3cret&' \
    'mongodb://%/?tlsCertificateKeyFilePassword=s3cret&ssl_pem_passphrase=s3cret&' \
    'mongodb://key:s3cret@%/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:s3cret&'; do
    failed '^reset: cannot reach MongoDB' reset --uri "${uri/@%/@$host}serverSelectionTimeoutMS=1"
  done
  # Mistyped, picocli quotes what it was given.
  refused '^reset: .*--url' reset --url 'mongodb://ann:s3cret@127.0.0.1/?proxyPassword=s3cret'
  refused '^reset: .*mongodb://\*\*\*' \
    reset 'mongodb://ann:s3cret@127.0.0.1/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret'
  refused '^insert: .*--records' insert --records 'mongodb://127.0.0.1/?tlsCertificateKeyFilePassword=s3cret'
}

@test "options of a connection string that would change what comes back are overridden, or refused in a line" {
  refused '^reset: .*no timeoutMS' reset --uri "$TEST_MONGODB_URI&timeoutMS=3000"
  refused '^reset: .*no Unix socket' reset --uri 'mongodb://%2Ftmp%2Fmongodb-27017.sock/'
  nothing_written
  # With w=0 nobody would know what was written; with compressors, the driver lacks a library.
  run --separate-stderr script insert --records 2 --delay 0 --uri "$TEST_MONGODB_URI&w=0&compressors=snappy"
  assert_success
  assert_equal "$stderr" ''
  assert_line 'Customers inserted: 2'
  # With a pool of one connection, four streams would wait for the fifth; servers refuse $changeStream at
  # readConcern local.
  start listener --uri "$TEST_MONGODB_URI&maxPoolSize=1&waitQueueTimeoutMS=2000&readConcernLevel=local"
  wait_for listener.out '^Resume listener thread started'
  mongo '{"delete": "accounts", "deletes": [{"q": {}, "limit": 1}]}'
  wait_for listener.out '^=== DELETE EVENT ===$'
  refute_regex "$(cat listener.out)" 'MongoDB is away'
}

@test "names are read in any locale, or refused" {
  printf '%s\n' "MONGODB_ATLAS_URL=$TEST_MONGODB_URI" "DATABASE=$database" COLLECTION=größe >.env
  LC_ALL=C run --separate-stderr script insert --records 1 --delay 0
  assert_success
  assert_line 'Collection: größe'
  assert_regex "$(mongo '{"count": "gr\u00f6\u00dfe"}')" '"n": 1,'
  LC_ALL=C refused '^insert: .*non-ASCII names into \.env' insert --collection größe
}

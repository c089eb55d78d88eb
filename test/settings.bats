# Settings: where they come from, what is refused. The plumbing is the same in all: one or two stand for all.

load helpers/helpers
load helpers/settings

@test "an option beats the environment, this beats .env, and .env beats the default" {
  own_sandbox
  at() { echo "mongodb://$1:$port/?directConnection=true"; } # three names of the same
  printf '%s\n' "MONGODB_ATLAS_URL=$(at 127.0.0.1)" DATABASE=file_db COLLECTION=file_coll >.env
  mkdir elsewhere # no .env here
  assert_equal "$(settings elsewhere --uri "$(at localhost)")" "[localhost:$port] bankdatabase accounts"
  assert_equal "$(settings .)" "[127.0.0.1:$port] file_db file_coll"
  export MONGODB_ATLAS_URL DATABASE=env_db COLLECTION=env_coll
  MONGODB_ATLAS_URL=$(at 127.1)
  assert_equal "$(settings .)" "[127.1:$port] env_db env_coll"
  assert_equal "$(settings . --uri "$(at localhost)" --database option_db --collection option_coll)" \
    "[localhost:$port] option_db option_coll"
}

@test "an .env as it was written for the Python original is understood" {
  own_sandbox
  cat >.env <<-ENV
	# change stream demo

	NUM_RECORDS_TO_GENERATE = 3
	DATABASE = "bankdatabase"
	COLLECTION=clients
	UNUSED=
	MONGODB_ATLAS_URL = "${TEST_MONGODB_URI%%/\?*}/bankdatabase?retryWrites=true&${TEST_MONGODB_URI##*\?}"
	ENV
  assert_regex "$(settings .)" '^\[127.0.0.1:[0-9]+\] bankdatabase clients$'
  run --separate-stderr script insert --delay 0
  assert_line 'Customers inserted: 3'
}

@test "an .env that is none is refused, also one in another encoding, and nothing of it is shown" {
  local line lines=(
    'export MONGODB_ATLAS_URL=s3cret'
    's3cret'
    $'\xef\xbb\xbfMONGODB_ATLAS_URL=s3cret' # a byte order mark
    $'MONGODB_ATLAS_URL=s3cret\xe9'           # Windows-1252
  )
  for line in "${lines[@]}"; do
    printf '%s\n' "DATABASE=$database" '' "$line" COLLECTION=accounts >.env
    refused '^reset: \.env: UTF-8 without BOM, each line NAME=value$' reset --uri "$TEST_MONGODB_URI"
  done
  nothing_written
}

@test "without a usable connection string nothing starts, and a line says what is wrong with it" {
  rm .env
  bad() { refused "^reset: .*$1.* - see \.env\.example$" reset "${@:2}"; } # WORD [OPTION…]
  bad 'connection string'
  bad 'connection string' --uri localhost:27017
  bad 'user information' --uri 'mongodb+srv://ann:<s3cret@s3cret>@cluster.example.mongodb.net/'
  bad 'user information' --uri mongodb://ann:s3cret@s3cret@127.0.0.1:1/
  bad 'host and port' --uri mongodb://ann:s3cret/s3cret@127.0.0.1:1/
  bad 'host and port' --uri 'mongodb://ann:s3cret?s3cret@127.0.0.1:1/'
  bad 'option' --uri 'mongodb://127.0.0.1:1/?proxyPassword=s&s3cret'
  bad 'proxyHost' --uri 'mongodb://127.0.0.1:1/?proxyPassword=s3cret'
}

@test "a server that cannot be reached or does not let us in is told within seconds, in a line" {
  local soon='?serverSelectionTimeoutMS=3000'
  failed '^reset: cannot reach MongoDB: Connection refused - up\? let in\?$' \
    reset --uri 'mongodb://ann:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=300000'
  failed '^insert: no such host - or try directConnection=true$' \
    insert --uri "mongodb://ann:s3cret@no-such-host.invalid/$soon"
  failed '^insert: no such host - ' insert --uri "mongodb+srv://ann:s3cret@no-such-host.invalid/$soon"
  local server=${TEST_MONGODB_URI#*://} # and maybe a user
  failed '^reset: login refused - user, password, authSource right\?$' \
    reset --uri "${TEST_MONGODB_URI%%://*}://ann:s3cret%40s3cret@${server#*@}"
  nothing_written
}

@test "a server that cuts the first connections is asked again" {
  own_sandbox
  fault '{"times": 3}' '"closeConnection": true' listDatabases
  run --separate-stderr script insert --records 0 --delay 0
  assert_success
  assert_line 'Customers inserted: 0'
}

@test "the listener tells of a standalone server, and what to do" {
  own_sandbox --standalone
  failed '^listener: no replica set, .* - rs\.initiate\(\)\?$' listener
}

@test "what is no number, no choice, no option or no name is refused before anything is written" {
  refused '^insert: .*--records.*ten' insert --records ten
  NUM_RECORDS_TO_GENERATE=many refused '^insert: .*many' insert
  refused '^update: .*--below.*much' update --below much
  refused '^update: .*--account.*piggybank' update --account piggybank
  refused '^resume_update: .*--limit.*99999999999' resume_update --limit 99999999999
  for name in {update,delete,resume_update}' --'{limit,delay}; do
    refused "^${name% *}: .*below 0\$" $name -1
  done
  refused '^insert: .*--records .*below 0$' insert --records -1
  refused '^insert: .*--delay .*below 0$' insert --delay NaN
  refused '^listener: .*--fail-for: 0 or more$' listener --fail-for -1
  refused '^listener: .*--fail-after .*0 or more$' listener --fail-after -1
  refused '^listener: .*--fail-for.*x' listener --fail-for x
  refused '^listener: .*--scope.*world' listener --scope world
  refused '^reset: .*--databse' reset --databse x
  refused '^insert: .*databaseName' insert --database a.b
  refused '^insert: .*collectionName' insert --collection ''
  nothing_written
}

@test "no password or token is shown, wherever in a connection string it stands" {
  local host=127.0.0.1:1 uri
  for uri in 'mongodb://ann:s3cret@%/?' 'mongodb://ann%3As3cret:%40s3cret@%/?' \
    'mongodb://ann:x@%?appName=x@s3cret&' \
    'mongodb://ann:x@%/?proxyHost=127.0.0.1&proxyUsername=ann&proxyPassword=s3cret@s3cret&' \
    'mongodb://%/?tlsCertificateKeyFilePassword=s3cret&ssl_pem_passphrase=s3cret&' \
    'mongodb://key:s3cret@%/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:s3cret&'; do
    failed '^reset: (cannot reach MongoDB|no such host)' \
      reset --uri "${uri/@%/@$host}serverSelectionTimeoutMS=1"
  done
  local login=${TEST_MONGODB_URI/:\/\//://ann:s3cret@} # which the sandbox lets in
  run --separate-stderr script reset --uri "$login&authMechanism=PLAIN"
  refute_regex "$output$stderr" s3cret
  # What stands before a / ? or # that is not escaped is read as host and port.
  run --separate-stderr script reset --uri 'mongodb://ann:2024?serverSelectionTimeoutMS=1'
  refute_regex "$output$stderr" 2024
  # Mistyped, picocli quotes what it was given.
  refused '^reset: Unknown options?:' reset --url 'mongodb://ann:s3cret@127.0.0.1/?proxyPassword=s3cret'
  refused '^reset: Unmatched argument at index 0: *$' reset ann:s3cret@127.0.0.1
  refused '^reset: Unmatched argument' \
    reset 'mongodb://ann:s3cret@127.0.0.1/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret'
  refused '^reset: Unmatched argument' \
    reset 'mongodb://127.0.0.1/?tlsCertificateKeyFilePassword=s3cret' # and no @
}

@test "options of a connection string that would change what comes back are overridden" {
  # With w=0 nobody would know what was written; with compressors, the driver lacks a library.
  run --separate-stderr script insert --records 2 --delay 0 --uri "$TEST_MONGODB_URI&w=0&compressors=snappy"
  assert_success
  assert_equal "$stderr" ''
  assert_line 'Customers inserted: 2'
  # With a pool of one connection, four streams would wait for the fifth; a stream takes no readConcern local.
  start listener --uri "$TEST_MONGODB_URI&maxPoolSize=1&waitQueueTimeoutMS=2000&readConcernLevel=local"
  wait_for listener.out '^Resume listener thread started'
  mongo '{"delete": "accounts", "deletes": [{"q": {}, "limit": 1}]}'
  wait_for listener.out '^=== DELETE EVENT ===$'
  refute_regex "$(cat listener.out)" 'No answer'
  # Streams that are read at this moment.
  busy() { mongo '{"serverStatus": 1}' | grep -E '"pinned": [3-5][,}]'; }
  wait_until busy
}

@test "names in .env are read as UTF-8, in any locale" {
  printf '%s\n' "MONGODB_ATLAS_URL=$TEST_MONGODB_URI" "DATABASE=$database" COLLECTION=größe >.env
  LC_ALL=C run --separate-stderr script insert --records 1 --delay 0
  assert_success
  assert_regex "$(mongo '{"count": "gr\u00f6\u00dfe"}')" '"n": 1,'
}

#!/usr/bin/env bats
# mongod: a real MongoDB, fetched if need be. Where tests run there may be none to be had, so a stand-in plays
# its part: a script that starts the sandbox, fetched from a server on loopback in an archive like MongoDB's.

load helpers/helpers
load helpers/mongod

setup() {
  common_setup
  mkdir bin kept
  export EMBEDDED_MONGO_ARTIFACTS=$WORK/kept # in place of .embedmongo in the home folder
  cat >bin/mongod <<-SH
	#!/usr/bin/env bash
	echo "\$* \$GLIBC_TUNABLES" >>"$WORK/arguments"
	eval "\${FAULT-}"
	while [ "\$1" != --port ]; do shift; done
	exec "$ROOT/test/jbang" run --quiet "$ROOT/test/sandbox.java" --port "\$2"
	SH
  chmod +x bin/mongod
}

@test "a mongod on PATH is run with one node, and ends with Ctrl-C" {
  PATH=$WORK/bin:$PATH start mongod --port 0
  ready mongod
  assert_equal "$(sed -E 's/:[0-9]+/:PORT/; s/port [0-9]+/port PORT/; s/id [0-9]+/id ID/' mongod.out)" \
    "MongoDB 6.0.0, $WORK/bin/mongod
mongod on port PORT, process id ID
mongodb://127.0.0.1:PORT/?replicaSet=rs0
ready"
  run cat arguments
  assert_output --regexp '^--replSet rs0 .*--bind_ip 127\.0\.0\.1 --nounixsocket .* glibc\.pthread\.rseq=1$'
  run mongo '{"ping": 1}'
  assert_success
  signal mongod INT
  wait_exit mongod
  assert_failure 130
  refute_stderr
  nothing_is_left mongod
}

@test "three nodes are one set of three; one that is killed is missed, with the last one it ends itself" {
  start mongod --port 0 --nodes 3 --bin "$WORK/bin/mongod"
  ready mongod
  assert_regex "$TEST_MONGODB_URI" '^mongodb://(127\.0\.0\.1:[0-9]+,){2}127\.0\.0\.1:[0-9]+/\?replicaSet=rs0$'
  local hosts=${TEST_MONGODB_URI#mongodb://}
  hosts=${hosts%/*}
  TEST_MONGODB_URI="mongodb://${hosts%%,*}/?directConnection=true" run mongo '{"replSetGetConfig": 1}'
  assert_equal "$(grep -o '"host": "[^"]*"' <<<"$output" | cut -d '"' -f 4 | paste -sd, -)" "$hosts"

  kill -9 "$(process 2 mongod)"
  wait_for mongod.err '^mongod: the node on port [0-9]+ has ended, exit code 137: '
  kill -9 "$(process 1 mongod)"
  wait_for mongod.err '^mongod: the node on port' 2
  running mongod
  kill -9 "$(process 3 mongod)"
  wait_exit mongod
  assert_failure 1
  nothing_is_left mongod
}

@test "without a mongod, or for a release, it is fetched once; what is missing or no archive is said" {
  mirror # that of PATH may be of another release
  local missing='java\.io\.FileNotFoundException: http.*'
  PATH=$WORK/bin:$PATH \
    script_fails 1 "^mongod: no MongoDB 8\.0 \($missing\)\. Other ways: --bin, " \
    mongod --port 0 --release 8.0 --mirror "$mirror"
  echo 'Sorry' >"$(archive)"
  script_fails 1 '^mongod: no MongoDB 8\.0 \(java\.io\.IOException: Input is not in the \.gz format' \
    mongod --port 0 --release 8.0 --mirror "$mirror"
  tar -czf "$(archive)" bin
  start mongod --port 0 --release 8.0 --mirror "$mirror"
  ready mongod
  run mongo '{"ping": 1}'
  assert_success
  signal mongod TERM
  wait_exit mongod
  assert_failure 143
  nothing_is_left mongod
  stop mirror
  start mongod --port 0 --release 8.0 --mirror "$mirror"
  ready mongod
  assert_equal "$(grep -c '"GET ' mirror.err)" 3
}

@test "a mongod that ends at once is said with its last line, and the others end with it" {
  export FAULT='[ "$(wc -l <arguments)" -lt 2 ] || { echo starting; echo No space left on device; exit 14; }'
  run --separate-stderr script mongod --port 0 --nodes 2 --bin bin/mongod
  assert_failure 1
  refute_output
  assert_error '^mongod: the node on port [0-9]+ has ended, exit code 14: No space left on device$'
  nothing_is_left mongod
}

@test "what cannot be is said in one line, before anything is started" {
  script_fails 1 '^mongod: no MongoDB 8\.0 \(java\.net\.ConnectException: Connection refused\)' \
    mongod --release 8.0 --port 0 --mirror http://127.0.0.1:1
  script_fails 1 '^mongod: no MongoDB 1\.0 ' mongod --release 1.0 --port 0
  JAVA_TOOL_OPTIONS='-Dde.flapdoodle.os.override=Linux|X86_64|Alpine|ALPINE_3_16' \
    run --separate-stderr script mongod --release 8.0 --port 0
  assert_failure 1
  assert_stderr_line --regexp \
    '^mongod: no MongoDB 8\.0 \(.*: there is no mongodb distribution for alpine linux\)'
  own_sandbox
  local before=$((port - 1)) # may be in use, too
  script_fails 1 "^mongod: port ($before|$port) is in use: " mongod --nodes 2 --port $before --bin bin/mongod
  script_fails 1 "^mongod: Cannot run program \"$WORK/none\"" mongod --bin "$WORK/none" --port 0
  for option in '--nodes 0' '--nodes 8' '--port x' '--mirror http://ann:s3cret@127.0.0.1:1'; do
    # shellcheck disable=SC2086 # option and value are two words
    script_fails 2 '^mongod: .*--' mongod $option
    refute_stderr --partial s3cret
  done
  [ ! -e arguments ]
}

@test "test/run runs the tests on one by --mongod, which ends with them, or on any server by its URI" {
  cat >on_it.bats <<-BATS
	load "$ROOT/test/helpers/helpers"
	@test "on a MongoDB" { needs 6; run mongo '{"insert": "accounts", "documents": [{}]}'; assert_success; }
	@test "on no sandbox" {
	  [ -z "\${TEST_SANDBOX-}" ]
	  TEST_MONGODB_URI+='&maxPoolSize=1'
	  mongo '{"ping": 1}'
	}
	BATS
  # As from a terminal, that is without what bats tells those below it.
  local unaware=(env $(compgen -v | sed -n 's/^BATS_/-u &/p') PATH="$WORK/bin:${PATH//"$BATS_LIBEXEC":/}")
  local suite=(--setup-suite-file "$ROOT/test/setup_suite.bash" on_it.bats)
  run within 120 "${unaware[@]}" TEST_MONGOD=--nodes=2 "$ROOT/test/run" --mongod "${suite[@]}"
  assert_line '2 passed, 0 failed'
  assert_equal "$(grep -c . arguments)" 2
  nothing_is_left mongod

  own_sandbox
  for uri in "${TEST_MONGODB_URI%/*}" "${TEST_MONGODB_URI%\?*}" "${TEST_MONGODB_URI%\?*}admin"; do
    run within 120 "${unaware[@]}" TEST_MONGODB_URI="$uri" "$ROOT/test/run" "${suite[@]}"
    assert_line '2 passed, 0 failed'
  done
}

@test "demo --mongod: the primary is killed, another one goes on, and nothing is missed" {
  command -v node >/dev/null || skip 'node plays the primaries, before one sandbox'
  own_sandbox
  local behind=$(sed -E 's/.*:([0-9]+).*/\1/' <<<"$TEST_MONGODB_URI")
  cat >bin/mongod <<-SH
	#!/usr/bin/env bash
	while [ "\$1" != --port ]; do shift; done
	mkdir "$WORK/first" 2>/dev/null ||
	  exec "$ROOT/test/jbang" run --quiet "$ROOT/test/sandbox.java" --standalone --port "\$2"
	echo "\$2" >"$WORK/port"
	exec node "$ROOT/test/tools/proxy.mjs" "\$2" $behind
	SH
  PATH=$WORK/bin:$PATH start_command demo bash "$ROOT/test/demo" --speed 25 --mongod
  wait_for demo.out 'kill -9 [0-9]+, the primary$' 1 120
  wait_for demo.out 'NO PRIMARY for 0 s'
  start_command proxy node "$ROOT/test/tools/proxy.mjs" "$(cat port)" "$behind"
  wait_exit demo 120
  assert_success
  assert_line --regexp 'NO PRIMARY +after [0-9.]+ s +counter 1[34], '
  assert_line '  Nothing was missed.'
}

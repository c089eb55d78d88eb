# One sandbox for all tests, or with TEST_MONGOD one MongoDB, or the server that TEST_MONGODB_URI names.

# shellcheck source=helpers/helpers.bash
source "$(dirname "${BASH_SOURCE[0]}")/helpers/helpers.bash"

setup_suite() {
  unset TEST_SANDBOX JAVA_TOOL_OPTIONS # what a JVM says about them would be taken for the script's own words
  export TEST_RUN=change_stream_demo_test_$$ # the tests' databases begin with this
  WORK=$BATS_SUITE_TMPDIR
  start commands=command
  if [ -z "${TEST_MONGODB_URI:-}" ]; then
    if [ -n "${TEST_MONGOD:-}" ]; then
      # shellcheck disable=SC2086 # options are words
      start server=mongod $TEST_MONGOD
    else
      start server=sandbox --port 0
      export TEST_SANDBOX=yes # as against a real server, which can more
    fi
    wait_for server.out '^ready$' 1 600 # MongoDB may have to be fetched
    TEST_MONGODB_URI=$(grep -m 1 -o 'mongodb://[^ ]*' "$WORK/server.out")
  fi
  local option='/?appName=tests' # so that tests can append others
  [[ $TEST_MONGODB_URI != *//*/* ]] || option=${option#/}
  [[ $TEST_MONGODB_URI == *\?* ]] || TEST_MONGODB_URI+=$option
  wait_for commands.out '^[0-9]+$' 1 60
  export TEST_MONGODB_URI TEST_COMMANDS=$(cat "$WORK/commands.out")
}

teardown_suite() {
  if [[ ${#started[@]} -eq 1 ]]; then # the server is somebody's
    local database=admin name
    for name in $(mongo '{"listDatabases": 1, "nameOnly": true}' | grep -oE "\"${TEST_RUN}_[0-9]+\"" | tr -d '"'); do
      database=$name mongo '{"dropDatabase": 1}' >/dev/null
    done
  fi
  local label
  for label in "${started[@]}"; do stop "$label" || fail "$label did not end on TERM"; done
}

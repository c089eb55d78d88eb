# One sandbox for all tests, unless TEST_MONGODB_URI already names a server: then the same suite runs there.

# shellcheck source=helpers/helpers.bash
source "$(dirname "${BASH_SOURCE[0]}")/helpers/helpers.bash"

setup_suite() {
  unset JAVA_TOOL_OPTIONS # what a JVM says about them would be taken for the script's own words
  export TEST_RUN=change_stream_demo_test_$$ # the tests' databases begin with this
  WORK=$BATS_SUITE_TMPDIR
  [ -z "${TEST_MONGODB_URI:-}" ] || return 0
  start sandbox --port 0
  wait_for sandbox.out ready 1 60
  TEST_MONGODB_URI=$(grep -m 1 -o 'mongodb://[^ ]*' "$WORK/sandbox.out")
  export TEST_MONGODB_URI TEST_SANDBOX=yes # as against a real server, which can more
}

teardown_suite() {
  if [ "${started[*]-}" = sandbox ]; then
    stop sandbox || fail 'the sandbox did not end on TERM'
    return
  fi
  local name
  database=admin
  mongo '{"listDatabases": 1, "nameOnly": true}' | grep -oE "\"${TEST_RUN}_[0-9]+\"" | tr -d '"' |
    while read -r database; do mongo '{"dropDatabase": 1}' </dev/null >/dev/null; done
}

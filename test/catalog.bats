#!/usr/bin/env bats
# Without a clone: JBang fetches from the catalog's address what is asked for, and all that this needs.

load helpers/helpers

@test "demo, sandbox and reset come from a catalog on HTTP, into an empty folder" {
  command -v node >/dev/null || skip 'no node here'
  mkdir empty && cd empty || return
  start_command server node "$ROOT/test/tools/serve.mjs" "$ROOT"
  wait_for server.out '^http'
  local catalog=$(cat "$WORK/server.out")/jbang-catalog.json
  start_command sandbox "$ROOT/test/jbang" "sandbox@$catalog" --port 0
  wait_for sandbox.out '^ready$' 1 120
  MONGODB_ATLAS_URL=$(grep '^mongodb:' "$WORK/sandbox.out") run "$ROOT/test/jbang" "reset@$catalog"
  assert_success
  start_command demo "$ROOT/test/jbang" "demo@$catalog" --speed 25
  wait_exit demo 180
  assert_success
  assert_line '  Nothing was missed.'
}

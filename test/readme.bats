#!/usr/bin/env bats
# What README.md tells the reader to type works, as it stands there.

load helpers

# The lines of the README's code blocks of this language.
blocks() { # LANGUAGE
  awk -v language="$1" '/^ *```/ { inside = $1 == "```" language; next } inside { sub(/^ +/, ""); print }' "$ROOT/README.md"
}

@test "every command of the README is run by a test" {
  # The first two and the last have tests of their own: demo.bats, this very run, traces.bats.
  assert_equal "$(blocks sh)" "test/demo
test/run
cp .env.example .env
jbang sandbox
jbang reset
jbang listener
jbang insert
jbang update
jbang delete
jbang replace
jbang resume_update
MONGODB_ATLAS_URL=mongodb://127.0.0.1:27017 jbang test/replay.java test/traces/*.json"
  local line
  while IFS= read -r line; do
    grep -qF -e "$line" "$ROOT/test/clients/mongosh.js" || fail "clients/mongosh.js does not run: $line"
  done < <(blocks js)
}

@test "the walk-through of the README works in a fresh copy whose path has a space" {
  mkdir "$WORK/bin" "$WORK/a copy"
  ln -s "$ROOT/test/jbang" "$WORK/bin/jbang"
  PATH=$WORK/bin:$PATH
  cp -R "$ROOT"/*.java "$ROOT/.env.example" "$ROOT/jbang-catalog.json" "$ROOT/test" "$WORK/a copy"
  cd "$WORK/a copy" || return
  # Not the user's MongoDB on port 27017, and less of everything.
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database NUM_RECORDS_TO_GENERATE=4
  local command label
  while IFS= read -r command; do
    label=${command#jbang }
    case $command in
      test/* | MONGODB*) ;;
      'jbang sandbox') launch sandbox sandbox --port 0 && wait_for sandbox.out '^ready$' ;;
      'jbang listener') launch listener listener && wait_for listener.out 'listener thread started' 5 ;;
      *)
        run --separate-stderr eval "$command"
        assert_status 0
        ;;
    esac
  done < <(blocks sh)
  wait_for listener.out '^=== REPLACE EVENT ===$'
  [ -s .env ] || fail 'there is no .env'
}

launch() { # LABEL ARGUMENT…
  local label=$1
  shift
  jbang "$@" </dev/null >"$WORK/$label.out" 2>"$WORK/$label.err" 3>&- &
  printf -v "pid_$label" %s $!
  started+=("$label")
}

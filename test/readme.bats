# README.md tells the truth: what it says to type works as it stands there, and it shows what programs say.

load helpers/helpers
load helpers/readme

@test "the walk-through of the README works in a copy whose path has a space, and shows what README shows" {
  mkdir "$WORK/a copy"
  cp -R "$ROOT"/*.java "$ROOT/.env.example" "$ROOT/jbang-catalog.json" "$ROOT/test" "$WORK/a copy"
  cd "$WORK/a copy" || return
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database # not the user's MongoDB on port 27017
  needs 6 # for the balance before and the name of who was deleted
  local command commands=()
  while IFS= read -r command; do commands+=("$command"); done < <(blocks sh)
  for command in "${commands[@]}"; do
    case $command in
      test/demo | test/run) continue ;; # demo.bats, and this run
      export*) eval "$command" && continue ;;
      'jbang listener')
        start_command listener jbang listener --fail-for 1
        wait_for listener.out 'listener thread started' 5
        continue
        ;;
      'jbang listener --token-file'*)
        start_command killed $command
        wait_for killed.out 'listener thread started' 5
        signal killed KILL
        wait_exit killed
        start_command again $command
        wait_for again.out '^Going on after the resume tokens in listener\.token'
        continue
        ;;
      *--check) ;;
      'jbang insert '* | 'jbang update' | 'jbang delete' | 'jbang resume_update')
        command+=' --delay 0.1' # not to wait
        ;;
    esac
    run --separate-stderr eval "$command </dev/null"
    assert_success
  done
  [ -s .env ] || fail 'there is no .env'
  wait_for listener.out '^Counter value: 16$'
  signal listener INT
  wait_exit listener
  blocks 'text listener' >"$WORK/transcript"
  local last=$(unsaid "$WORK/transcript" "$WORK/listener.out")
  assert_equal "$last" ''
  [ -s "$WORK/transcript" ] || fail 'the README shows nothing of the listener'
}

@test "the smallest listener of the README runs as it stands there, with its projection, and resumes" {
  own_sandbox # as it has its database's name in it
  database=bankdatabase
  blocks java >watch.java
  start_command watch "$ROOT/test/jbang" run --quiet watch.java "$TEST_MONGODB_URI"
  local deadline=$((SECONDS + 60))
  # It says nothing before the first event.
  until mongo '{"serverStatus": 1}' | grep -q '"open": {[^}]*"total": 1[,}]'; do
    running watch && ((SECONDS < deadline)) || fail "not open: $(show watch.err)"
    pause
  done
  insert_documents '{"_id": 1, "email": "ann@example.org", "firstName": "Ann"}'
  wait_for watch.out '^\{"email": "ann@example.org"\} \{"_data": "[0-9A-F]+"\}$'
  stop watch
  mongo '{"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]}' >/dev/null
  insert_documents '{"_id": 2, "email": "bob@example.org"}'
  local token=$(grep -o '{"_data.*' watch.out)
  start_command again "$ROOT/test/jbang" run --quiet watch.java "$TEST_MONGODB_URI" "$token"
  wait_for again.out '^\{"email": "bob@example.org"\} '
  assert_equal "$(grep -c . again.out)" 1
}

@test "each option that a script has stands in the README, and each in the README is an option" {
  for script in reset listener insert update delete resume_update; do
    script "$script" --help
  done | grep -oE '^ +(-[hV], )?--[a-z-]+' | grep -oE -e '--[a-z-]+' |
    grep -vxE -e '--(help|version)' | sort -u >has
  sed -n '/^## Options/,/^## Read/p' "$ROOT/README.md" | grep '^|' |
    grep -oE -e '`--[a-z-]+' | tr -d '`' | sort -u >tells
  assert_equal "$(cat tells)" "$(cat has)"
}

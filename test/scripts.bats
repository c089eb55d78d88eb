# What the scripts have in common, and the ways to run one.

load helpers/helpers
load helpers/customers

scripts=(reset listener insert update delete resume_update)
plumbing='// ===== Plumbing'

@test "each script is small enough for one sitting, and the plumbing the same, word for word, in all" {
  at_most() { # LINES NAME
    local lines
    lines=$(grep -c '' "$(path "$2")")
    ((lines <= $1)) || fail "$2.java has $lines lines, more than $1"
    run cat "$(path "$2")"
    refute_line --regexp '.{111}'
    sed -n "\\,$plumbing,,\$p" "$(path "$2")" >"$2"
    assert_equal "$(grep ^//DEPS "$(path "$2")" | grep -vE ':[0-9]+\.[0-9]+\.[0-9]+$')" '' # exact versions
    diff reset "$2" || fail "$2.java has another plumbing than reset.java"
  }
  at_most 115 reset
  at_most 120 delete
  at_most 130 update
  at_most 150 resume_update
  at_most 150 insert
  at_most 440 listener
  at_most 115 replace
  (($(grep -c '' reset) <= 50)) || fail "$(grep -c '' reset) lines of plumbing"
  assert_regex "$(cat reset)" 'System\.exit' # it is all there
}

@test "the compiler has no complaint about a script, in any locale" {
  local classpath=$("$ROOT/test/jbang" info classpath "$ROOT/insert.java") # it has what all have
  LC_ALL=C javac --release 17 -Xlint:all,-try -Werror -cp "$classpath" -d "$WORK" \
    "$ROOT"/*.java "$ROOT/test/replace.java"
}

@test "each runs by its name in the folder, and its --help lists options, defaults and variables in .env" {
  checkout 'check out'
  local name own seconds text all=("${scripts[@]}" sandbox replace)
  cd 'check out'
  for name in "${all[@]}"; do start_command $name jbang --quiet $name --help; done
  for name in "${all[@]}"; do
    wait_exit $name 120 # JBang is asked by one at a time
    assert_success
    assert_equal "$stderr" ''
    assert_line --regexp "^Usage: $name "
    refute_line --regexp $'\e'
    refute_line --regexp '^.{81}'
    seconds=1\.0
    case $name in
      reset) own='--pre-images ' ;;
      listener) own='--fail-after --fail-for --token-file --scope --json ' ;;
      insert) own='--records --delay --seed ' seconds=0\.5 ;;
      update) own='--account --below --deposit --delay --limit ' ;;
      delete) own='--delay --limit ' seconds=0\.5 ;;
      resume_update) own='--delay --limit --check ' ;;
      *) continue ;;
    esac
    assert_line --regexp "^Example: jbang $name"
    assert_equal "$name $(grep -oE '^ +(-[hV], )?--[a-z-]+' <<<"$output" |
      grep -oE -- '--[a-z-]+' | paste -sd' ' -)" \
      "$name $own--uri --database --collection --help --version"
    text=$(tr -s ' \n' ' ' <<<"$output")
    assert_regex "$text" 'Settings in capitals may stand in \.env\.'
    assert_regex "$text" '\[--uri=MONGODB_ATLAS_URL\]'
    assert_regex "$text" '--database=DATABASE Default: bankdatabase .*Default: accounts '
    [[ $own != *--delay* ]] || assert_regex "$text" "Seconds between two[^.]*\. Default: $seconds "
    [ $name != insert ] || assert_regex "$text" '\[--records=NUM_RECORDS_TO_GENERATE\] .*Default: 100 '
    [ $name != listener ] || assert_regex "$text" '\[--token-file=RESUME_TOKEN_FILE\]'
  done
}

@test "each runs as a program, and --version names it, also with a garbage collector in JAVA_TOOL_OPTIONS" {
  checkout 'check out'
  cd 'check out'
  for name in "${scripts[@]}"; do
    JAVA_TOOL_OPTIONS=-XX:+UseG1GC start_command $name ./$name.java --version
  done
  for name in "${scripts[@]}"; do
    wait_exit $name 120
    assert_success
    assert_line --regexp "^$name [0-9]+\.[0-9]+$"
  done
}

@test "each works when copied alone into a folder with an .env" {
  for name in "${scripts[@]}"; do mkdir $name && cp "$ROOT/$name.java" .env $name; done
  # NAME [ARGUMENT…]: in a shell of its own
  alone() { cd "$1" && exec "$ROOT/test/jbang" --quiet "$1.java" "${@:2}"; }
  export -f alone
  export ROOT
  start_command listener bash -c 'alone listener'
  wait_for listener.out 'listener thread started' 5
  run --separate-stderr alone reset
  assert_line --regexp '^Sample record id'
  for name in 'insert --records 50 --seed 1' update delete resume_update; do
    run --separate-stderr alone $name --delay 0
    assert_line --regexp '^Customers [a-z]+: [1-9]'
  done
  wait_for listener.out '^Emailing user: '
}

@test "Ctrl-C ends a writer in its pause, with its totals and exit code 130" {
  one_collection_each
  start_writers --delay 300
  for name in "${writers[@]}"; do
    wait_for $name.out '^(Inserted|Added|Number of documents|Counter value)'
  done
  ctrl_c_after_one_customer
}

@test "Ctrl-C while a customer is being written ends a writer after that customer" {
  own_sandbox
  one_collection_each
  fault '"alwaysOn"' '"blockConnection": true, "blockTimeMS": 5000' update delete insert
  start_writers --delay 0.001
  for name in "${writers[@]}"; do wait_for $name.out '^(Insert Bank|Found)'; done
  ctrl_c_after_one_customer
}

@test "a customer whom somebody else has changed since is left alone, and the writer says so" {
  one_collection_each
  start_writers --delay 10
  for name in update delete resume_update; do
    wait_for $name.out '^(Added|Number of documents|Counter value)' && signal $name STOP
  done
  local rest='"updates": [{"q": {"_id": "bob"}, "u": {"$set": {"accounts.1.balance": '
  mongo "{\"update\": \"poor\", ${rest}1000}}}]}" "{\"update\": \"red\", ${rest}0}}}]}" \
    "{\"update\": \"rich\", ${rest}1000}}}]}"
  for name in update delete resume_update; do signal $name CONT; done
  local nothing_changed='Successful update with matched: 0 and modified count: 0'
  wait_exit update
  assert_equal "$(about_customers | tail -n 3 | paste -sd'|' -)" \
    "Found Checking Account with under \$1000.|Customer: bob Doe|$nothing_changed"
  assert_line 'Customers updated: 1'
  wait_exit delete
  assert_equal "$(about_customers | tail -n 4 | paste -sd'|' -)" \
    'Found Checking Account with negative balance.|Customer name: bob Doe|Customer _id: bob|'\
'Number of documents deleted: 0'
  assert_line 'Customers deleted: 1'
  wait_exit resume_update # he uses up no number
  assert_line "$nothing_changed"
  assert_equal "$(grep ^Counter <<<"$output" | paste -sd' ' -)" 'Counter value: 1 Counter value: 2'
}

@test "a writer goes by the order of _id, and prints its totals also after an error" {
  own_sandbox
  local n name poor=() red=() rich=()
  for n in {59..30}; do
    poor+=("$(customer "$n" 1 1)") red+=("$(customer "$n" -1 1)") rich+=("$(customer "$n" 2000 1)")
  done
  local IFS=,
  mongo "{\"insert\": \"poor\", \"documents\": [${poor[*]}]}" \
    "{\"insert\": \"red\", \"documents\": [${red[*]}]}" \
    "{\"insert\": \"rich\", \"documents\": [${rich[*]}]}"
  unset IFS
  for name in 'update --collection poor' 'delete --collection red' 'resume_update --collection rich'; do
    fault '{"skip": 3}' '"errorCode": 13' update delete # Unauthorized
    script_fails 1 "^${name%% *}: .* - has the user readWrite\?$" $name --delay 0
    assert_equal "$(grep -E '_id: |^Customers ' <<<"$output" | grep -oE '[0-9]+$' | xargs)" '30 31 32 3'
  done
}

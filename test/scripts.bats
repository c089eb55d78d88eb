# What the scripts have in common, and the ways to run one.

load helpers
load customers

scripts=(reset listener insert update delete resume_update)
writers=(insert update delete resume_update)
plumbing='// ===== Plumbing'

@test "at the top there are the six scripts and what they need, nothing else" {
  assert_equal "$(cd "$ROOT" && LC_ALL=C ls | grep -vx LICENSE)" "$(printf '%s\n' README.md delete.java insert.java jbang-catalog.json \
    listener.java reset.java resume_update.java test update.java)"
  [ -f "$ROOT/.env.example" ]
  ! git -C "$ROOT" ls-files --error-unmatch .env 2>/dev/null || fail 'somebody committed an .env'
}

@test "the plumbing is the same, word for word, in all scripts" {
  local name
  for name in "${scripts[@]}" replace; do
    assert_equal "$(grep -c "$plumbing" "$(path $name)")" 1
    sed -n "\\,$plumbing,,\$p" "$(path $name)" >$name
    diff reset $name || fail "$name.java has another plumbing than reset.java"
  done
  assert_match 'Dotenv\.configure' "$(cat reset)" # it is all there
  assert_match 'System\.exit' "$(cat reset)"
}

@test "a script begins with how JBang runs it, with exact versions, and its class is named as the file" {
  local name extra compiler memory
  for name in "${scripts[@]}" replace; do
    extra='' compiler='-XX:TieredStopAtLevel=1 ' idle='' memory=''
    [ $name != insert ] || extra='//DEPS net.datafaker:datafaker:2.7.0'
    [ $name != listener ] || compiler='' idle='-XX:-UsePerfData ' # lives long, and mostly waits: no timer then
    [[ $name != listener && $name != insert ]] || memory='-Xmn32m ' # much garbage, which must not take memory
    [ $name != insert ] || memory+='-XX:SurvivorRatio=2 '           # two batches stay alive meanwhile
    assert_equal "$(sed '/^$/,$d' "$(path $name)")" "$(printf '%s\n' \
      '///usr/bin/env jbang "$0" "$@" ; exit $?' \
      '//JAVA 17+' \
      '//DEPS org.mongodb:mongodb-driver-sync:5.14.0' ${extra:+"$extra"} \
      '//DEPS io.github.cdimascio:dotenv-java:3.2.0' \
      '//DEPS info.picocli:picocli:4.7.7' \
      '//DEPS org.slf4j:slf4j-nop:2.0.17' \
      "//RUNTIME_OPTIONS $compiler-XX:CompileThresholdScaling=3 -XX:+UseSerialGC $idle${memory}-Xlog:disable" \
      '//CDS')"
    assert_match "^class $name implements Callable<Integer> \{" "$(cat "$(path $name)")"
    [ -x "$(path $name)" ] || fail "$name.java is not executable"
  done
}

@test "the compiler has no complaint about a script" {
  local classpath
  classpath=$("$ROOT/test/jbang" info classpath "$ROOT/insert.java") # it has what all have
  javac --release 17 -Xlint:all -Werror -cp "$classpath" -d "$WORK" "$ROOT"/*.java "$ROOT/test/replace.java"
}

@test "the catalog names eight commands, with a description each, and no place on this machine" {
  local catalog name file
  catalog=$(paste -sd' ' "$ROOT/jbang-catalog.json" | tr -s ' ')
  for name in "${scripts[@]}" sandbox replace; do
    file=$(path $name)
    assert_match "\"$name\": \{ \"script-ref\": \"${file#"$ROOT/"}\", \"description\": \"[A-Z][^\"]+\.\" \}" "$catalog"
  done
  assert_equal "$(grep -o '"script-ref"' <<<"$catalog" | grep -c .)" 8
}

# A copy of what a user has, in a folder with a space; the way to it is its .env.
checkout() { # FOLDER
  mkdir -p "$1/test"
  cp "$ROOT"/*.java "$ROOT/jbang-catalog.json" "$1"
  cp -R "$ROOT"/test/*.java "$ROOT/test/sandbox" "$1/test"
  mkdir -p bin
  ln -sf "$ROOT/test/jbang" bin/jbang
  PATH=$WORK/bin:$PATH
}

# The options that a script's --help lists, each with a description.
options() {
  grep -oE '^ +(-[hV], )?--[a-z-]+(=[A-Z]+)?( +[^ ]|$)' <<<"$output" | grep -oE -- '--[a-z-]+' | paste -sd' ' -
}

@test "each runs by its name in the folder, and its --help lists the options, the variables in .env and the exit codes" {
  checkout 'check out'
  local name own
  cd 'check out'
  for name in "${scripts[@]}"; do start_command $name jbang --quiet $name --help; done
  for name in "${scripts[@]}"; do
    wait_exit $name
    assert_status 0
    assert_equal "$stderr" ''
    assert_match "^Usage: $name "
    case $name in
      reset) own='--pre-images ' ;;
      listener) own='--fail-after --fail-for --token-file --on-history-lost --on-save-failure --scope --json --color ' ;;
      insert) own='--records --delay --seed ' ;;
      update) own='--account --below --deposit --delay --limit ' ;;
      delete) own='--delay --limit ' ;;
      resume_update) own='--delay --limit --check ' ;;
    esac
    refute_match '^.{81}'
    assert_match "^Example: jbang $name"
    assert_equal "$name $(options)" "$name $own--uri --database --collection --env-file --verbose --help --version"
    output=$(tr -s ' \n' ' ' <<<"$output")
    assert_match '--uri=.*in \.env: MONGODB_ATLAS_URL.*--database=.*bankdatabase; in \.env: DATABASE'
    assert_match '--collection=.*accounts; in \.env: COLLECTION'
    [ $name != insert ] || assert_match '--records=.* 100; in \.env: NUM_RECORDS_TO_GENERATE'
    assert_match 'Exit codes: 0 [^,]+, 1 [^,]+, 2 [^,]+, 130 [^,]*Ctrl-C'
  done
}

@test "each runs as a program, and --version names it" {
  checkout 'check out'
  local name
  cd 'check out'
  for name in "${scripts[@]}"; do start_command $name ./$name.java --version; done
  for name in "${scripts[@]}"; do
    wait_exit $name
    assert_status 0
    assert_match "^$name [0-9]+\.[0-9]+$"
  done
}

alone() { # NAME [ARGUMENT…]
  cd "$1" && "$ROOT/test/jbang" --quiet "$1.java" "${@:2}" # in a shell of its own: run's
}

@test "each works when copied alone into a folder with an .env" {
  local name
  for name in "${scripts[@]}"; do
    mkdir $name
    cp "$ROOT/$name.java" .env $name
  done
  cd listener
  start_command listener "$ROOT/test/jbang" --quiet listener.java
  cd ..
  wait_for listener.out 'listener thread started' 5
  run --separate-stderr alone reset
  assert_match '^Sample record id: '
  run --separate-stderr alone insert --records 50 --delay 0 --seed 1
  assert_line 'Customers inserted: 50'
  run --separate-stderr alone update --delay 0 --limit 1
  assert_line 'Customers updated: 1'
  run --separate-stderr alone delete --delay 0 --limit 1
  assert_line 'Customers deleted: 1'
  run --separate-stderr alone resume_update --delay 0 --limit 1
  assert_line 'Counter value: 1'
  wait_for listener.out '^Counter value: 1'
}

@test "Ctrl-C ends a writer in its pause, with its totals and exit code 130" {
  insert_documents "$(customer ann -1 1)" "$(customer bob -1 1)"
  mongo "{\"insert\": \"other\", \"documents\": [$(customer cyd 2000 1), $(customer dan 2000 1)]}" \
    "{\"insert\": \"third\", \"documents\": [$(customer eve 1 1), $(customer fay 1 1)]}"
  start insert --delay 300 --collection new
  start update --delay 300 --collection third
  start delete --delay 300
  start resume_update --delay 300 --collection other
  local name
  for name in "${writers[@]}"; do wait_for $name.out '^(Inserted|Added|Number of documents|Counter value)'; done
  for name in "${writers[@]}"; do signal $name INT; done
  for name in "${writers[@]}"; do
    wait_exit $name
    assert_status 130
    assert_equal "$stderr" ''
    assert_equal "$(tail -n 4 <<<"$output" | sed -E 's/ [a-z]+d: / DONE: /; s/[0-9]+\.[0-9]+/TIME/')" "$(printf '%s\n' \
      ============================================================ 'Customers DONE: 1' \
      'Total Time Elapsed (in seconds): TIME' ============================================================)"
  done
  run mongo '{"find": "accounts"}' '{"find": "new"}' '{"find": "third", "filter": {"accounts.balance": 101}}' \
    '{"find": "other", "filter": {"resumeCounter": 1}}'
  assert_equal "${#lines[@]}" 4
}

@test "Ctrl-C while a customer is being written ends a writer after that customer" {
  start sandbox --port 0
  wait_for sandbox.out '^ready$'
  TEST_MONGODB_URI=$(grep -o 'mongodb://.*' sandbox.out)
  insert_documents "$(customer ann 1 1)" "$(customer bob 1 1)"
  database=admin mongo '{"configureFailPoint": "failCommand", "mode": {"times": 1},
    "data": {"failCommands": ["update"], "blockConnection": true, "blockTimeMS": 2000}}'
  start update --uri "$TEST_MONGODB_URI" --delay 0
  wait_for update.out '^Found'
  signal update INT
  wait_exit update
  assert_status 130
  assert_equal "$(about_customers)" "$(printf '%s\n' 'Found Checking Account with under $1000.' \
    'Successful update with matched: 1 and modified count: 1' 'Added $100 to customer acct with _id: ann')"
  assert_line 'Customers updated: 1'
  assert_equal "$(balances)" $'ann 1 101\nbob 1 1'
}

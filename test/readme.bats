#!/usr/bin/env bats
# README.md tells the truth: what it tells the reader to type works as it stands there, and what it shows is what the
# programs say.

load helpers

scripts=(reset listener insert update delete resume_update)

# Compiled once, and run without JBang where it is what they say that counts: half the time.
setup_file() {
  local classpath
  classpath=$("$ROOT/test/jbang" info classpath "$ROOT/insert.java") || return # it has what all have
  javac -d "$BATS_FILE_TMPDIR" -cp "$classpath" "$ROOT"/*.java || return
  export CLASSPATH=$BATS_FILE_TMPDIR:$classpath
}

run_class() { # LABEL=NAME [ARGUMENT…]
  start_command "${1%%=*}" java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "${1#*=}" "${@:2}"
}

readme() { # without what is in comments
  awk '/^<!--/ { hidden = 1 } !hidden { print } /-->$/ { hidden = 0 }' "$ROOT/README.md"
}

# The lines of the README's code blocks of this language.
blocks() { # LANGUAGE
  readme | awk -v fence="\`\`\`$1" '/^```/ { inside = $0 == fence; next } inside'
}

# Its transcripts (```text NAME), a file each: 1.NAME, 2.NAME …
transcripts() { # FOLDER
  mkdir "$1"
  readme | awk -v folder="$1" '
    /^```/ { file = $1 == "```text" ? folder "/" ++n "." $2 : ""; next }
    file != "" { print >file }'
}

# What differs from run to run.
normalized() { # FILE
  sed -E "s/[0-9a-f]{24}/ID/g; s/'_data': '[0-9A-F]+'/TOKEN/; s/(failure for )[0-9]+/\\1N/; s/$database/bankdatabase/" "$1"
}

# Whether a program said these lines, one after the other; … stands for any lines. Prints those that it did not say.
said() { # TRANSCRIPT OUTPUT
  awk '
    NR == FNR { wanted[++n] = $0; next }
    { line[++m] = $0 }
    END {
      for (first = at = 1; first <= n; first = last + 1) { # what stands between two …
        for (last = first; last <= n && wanted[last] != "…"; last++);
        k = -1
        for (from = at; from + last - first - 1 <= m; from++) {
          for (k = 0; first + k < last && line[from + k] == wanted[first + k]; k++);
          if (first + k == last) break
        }
        if (first + k != last) {
          for (; first < last; first++) print wanted[first]
          exit 1
        }
        at = from + last - first
      }
    }' <(normalized "$1") <(normalized "$2")
}

@test "the walk-through of the README works in a fresh copy whose path has a space, and shows what the README shows" {
  mkdir "$WORK/a copy"
  cp -R "$ROOT"/*.java "$ROOT/.env.example" "$ROOT/jbang-catalog.json" "$ROOT/test" "$WORK/a copy"
  cd "$WORK/a copy" || return
  # Not the user's MongoDB on port 27017.
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database
  local command name commands=()
  while IFS= read -r command; do commands+=("$command"); done < <(blocks sh)
  for command in "${commands[@]}"; do
    case $command in
      test/demo | test/run | test/bench | MONGODB_ATLAS_URL*) continue ;; # demo.bats, this run, bench.bats, traces.bats
      docker* | *mongod*) continue ;;                        # as the README says: not tried
      export*) eval "$command" && continue ;;
      'jbang sandbox') start_command sandbox jbang sandbox --port 0 && wait_for sandbox.out '^ready$' && continue ;;
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
        wait_for again.out '^Going on after the resume tokens in .*/listener\.token'
        continue
        ;;
      *--check) ;;
      'jbang insert '* | 'jbang update' | 'jbang delete' | 'jbang resume_update') command+=' --delay 0.1' ;; # not to wait
    esac
    run --separate-stderr eval "$command </dev/null"
    assert_status 0
    name=${command#jbang }
    printf '%s\n' "$output" >>"$WORK/${name%% *}.out"
  done
  [ -s .env ] || fail 'there is no .env'
  wait_for listener.out '^=== REPLACE EVENT ===$'
  wait_for listener.out '^Counter value: ' "$(grep -c '^Counter value: ' "$WORK/resume_update.out")"
  signal listener INT
  wait_exit listener
  local transcript missing
  transcripts "$WORK/transcripts"
  for transcript in "$WORK"/transcripts/*; do
    missing=$(said "$transcript" "$WORK/${transcript##*.}.out") ||
      fail "in the README, and not what ${transcript##*.} said:"$'\n'"$missing" "$WORK/${transcript##*.}.out"
  done
  [ "${transcript##*/}" != '*' ] || fail 'no transcript was found'
}

@test "what the README has for mongosh is run in mongosh" {
  local line
  while IFS= read -r line; do
    grep -qF -e "$line" "$ROOT/test/clients/mongosh.js" || fail "clients/mongosh.js does not run: $line"
  done < <(blocks js)
  [ -n "${line-}" ] || [ -n "$(blocks js)" ]
}

# `NAME --option=PARAMETER|default|variable in .env` for each option, as --help in $output says.
helped() { # NAME
  awk -v name="$1" '
    function finish() {
      if (option == "") return
      gsub(/ +/, " ", text)
      value = match(text, /[Dd]efault: [^);]+/) ? substr(text, RSTART + 9, RLENGTH - 9) : ""
      sub(/\.( .*)?$/, "", value)
      variable = match(text, /in \.env: [A-Z_]+/) ? substr(text, RSTART + 9, RLENGTH - 9) : ""
      print name " " option "|" value "|" variable
      option = ""
    }
    /^ +--/ { finish(); option = $1; $1 = ""; text = $0; next }
    /^ *-|^[^ ]|^$/ { finish(); next }
    { text = text " " $0 }
    END { finish() }' <<<"$output"
}

@test "the README's table of options has those of each script's --help, with defaults and variables" {
  local name table
  for name in "${scripts[@]}"; do run_class $name=$name --help; done
  table=$(readme | awk -F ' *[|] *' -v all="${scripts[*]}" '/^[|] `--/ {
    gsub(/`/, "")
    n = split($3 == "all" ? all : $3, of, " ")
    for (i = 1; i <= n; i++) print of[i] " " $2 "|" $4 "|" $5
  }')
  for name in "${scripts[@]}"; do
    wait_exit $name
    assert_equal "$(grep "^$name " <<<"$table" | sort)" "$(helped $name | sort)"
  done
  [ "$(grep -c . <<<"$table")" -gt 30 ]
}

@test "each message in the README's troubleshooting is what the programs say" {
  local message messages=() unmet=() label i host=${TEST_MONGODB_URI#*://}
  host=${host##*@} host=${host%%/*}
  rm .env
  mkdir settings && echo 'export DATABASE=x' >settings/.env
  start standalone=sandbox --port 0 --standalone
  wait_for standalone.out '^ready$'
  local standalone port
  standalone=$(grep -o 'mongodb://.*' standalone.out) port=$(sed -nE 's|^mongodb://.*:([0-9]+)/.*|\1|p' standalone.out)
  while IFS= read -r message; do
    label=case${#messages[@]}
    messages+=("$message")
    case $message in
      'no MongoDB to connect to') run_class $label=reset ;;
      '.env:1: cannot be read') run_class $label=reset --env-file settings/.env ;;
      'still holds a <placeholder>') run_class $label=reset --uri 'mongodb+srv://ann:<password>@cluster.example.mongodb.net/' ;;
      'is malformed') run_class $label=reset --uri mongodb://ann:pass@word@127.0.0.1:1/ ;;
      'MongoDB refused user or password') run_class $label=reset --uri "mongodb://ann:password@$host/" ;;
      'Failed looking up SRV record') run_class $label=reset --uri mongodb+srv://ann:password@no-such-host.invalid/ ;;
      'Connection refused') run_class $label=reset --uri mongodb://127.0.0.1:1/ ;;
      'Timed out while waiting for a server')
        run_class $label=reset --uri "mongodb://$host/?replicaSet=another&serverSelectionTimeoutMS=1000" ;;
      'change streams need a replica set') run_class $label=reset --uri "$standalone" ;;
      'cannot be taken (Address already in use)') start $label=sandbox --port "$port" ;;
      'found no Java') grep -qF "$message" "$ROOT/test/jbang" && : >$label.skipped ;; # jbang.bats has it
      'history lost (error') grep -qF "$message" "$ROOT/listener.java" && : >$label.skipped ;; # survival.bats has it
      # Seen by hand, but not to be had without a firewall, TLS, or Atlas.
      'Connect timed out' | 'unable to find valid certification path' | 'Received fatal alert: internal_error' | 'not authorized')
        : >$label.skipped ;;
      *) fail "nobody has seen this: $message" ;;
    esac
    [ -e $label.skipped ] || ((${#messages[@]} % 3)) || wait_exit $label # not all at once
  done < <(readme | sed -n '/^## Troubleshooting/,/^## The/s/^| `\([^`]*\)` |.*/\1/p')
  for ((i = 0; i < ${#messages[@]}; i++)); do
    [ ! -e case$i.skipped ] || continue
    wait_exit case$i
    [ "$status" != 0 ] || fail "no failure: ${messages[i]}"
    assert_match "$(sed 's/[][().*^$\\]/\\&/g' <<<"${messages[i]}")" "$stderr"
  done
  ((i > 10)) || fail 'no messages were found'
}

@test "what the README points to is there: headings, files, and the places to read" {
  local target file place headings
  headings=$(readme | sed -nE 's/^##+ //p' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9\n_-')
  while IFS= read -r target; do
    case $target in
      \#*) assert_line "${target#?}" "$headings" ;;
      http*) ;;
      *) [ -f "$ROOT/$target" ] || fail "there is no $target" ;;
    esac
  done < <(readme | grep -v '^!' | grep -oE '\]\([^)]+\)' | sed 's/..\(.*\)./\1/')
  while IFS=' ' read -r file place; do
    grep -qF -e "$place" "$ROOT/$file" || fail "$file has no $place"
  done < <(readme | sed -nE 's/^\| [0-9]+ \| `([^`]+)`: `([^`]+)` .*/\1 \2/p')
  [ -n "$(readme | sed -nE 's/^\| [0-9]+ \| `([^`]+)`: .*/\1/p')" ]
}

@test "each line of the README's What survives what names tests that exist" {
  local file name rows=0
  while IFS=: read -r file name; do
    rows=$((rows + 1))
    grep -qF -e "@test \"${name# }" "$ROOT/test/${file# }.bats" || fail "${file# }.bats has no test that begins with:$name"
  done < <(readme | sed -n '/^## What survives/,/^## How/p' | sed -nE '/^\| (fault|---)/d; s/^\|.*\| ([^|]+) \|$/\1/p' | tr ';' '\n')
  ((rows > 12)) || fail "only $rows tests are named"
}

@test "the scripts compile without a complaint, and run, with each other Java of this machine" {
  local home version tried
  tried=" $(javac -version 2>&1 | sed 's/^javac //; s/\..*//') " # scripts.bats has it
  for home in "${JAVA_HOME:-}" /usr/lib/jvm/* /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "$HOME"/.sdkman/candidates/java/* "$HOME"/.jbang/cache/jdks/*; do
    version=$("$home/bin/javac" -version 2>&1 | sed -nE 's/^javac ([0-9]+).*/\1/p')
    ((${version:-0} >= 17)) && [[ $tried != *" $version "* ]] || continue
    tried+="$version "
    "$home/bin/javac" --release "$version" -Xlint:all -Werror -cp "${CLASSPATH#*:}" -d "$WORK/$version" "$ROOT"/*.java
    run --separate-stderr "$home/bin/java" -cp "$WORK/$version:${CLASSPATH#*:}" insert --records 1 --delay 0
    assert_status 0
    assert_line 'Customers inserted: 1'
    assert_equal "$stderr" ''
  done
  [[ $tried == *' '*' '*' '* ]] || skip 'there is no other Java here'
}

@test "a script runs from another folder as name@folder, and alias list says what each does in one line" {
  run --separate-stderr "$ROOT/test/jbang" --quiet "reset@$ROOT"
  assert_status 0
  assert_match '^Sample record id: '
  run --separate-stderr "$ROOT/test/jbang" alias list "$ROOT"
  assert_status 0
  assert_equal "$(grep -cE "^ {3}[A-Z].{20,76}\.$" <<<"$output")" 8
  assert_match "^   Inserts fake customers" "$output"
}

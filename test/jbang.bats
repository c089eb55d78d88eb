# test/jbang: JBang on a machine that may have none.

load helpers

setup() {
  common_setup
  cat >args.java <<-JAVA
	//JAVA 17+
	class args {
	    public static void main(String... args) throws Exception {
	        for (String arg : args) System.out.println("[" + arg + "]");
	        System.out.print(new String(System.in.readAllBytes()));
	        System.exit(args.length);
	    }
	}
	JAVA
}

# A machine with all that PATH has, but nothing that leads to JBang, and an empty home.
bare_machine() {
  local dirs
  bin=$BATS_TEST_TMPDIR/bin
  mkdir "$bin"
  IFS=: read -ra dirs <<<"$PATH"
  for dir in "${dirs[@]}"; do ln -s "$dir"/* "$bin" 2>/dev/null || true; done # the first of a name wins
  rm -f "$bin"/{jbang,curl,mvn,java}
  export PATH=$bin HOME=$BATS_TEST_TMPDIR/home
  unset JAVA_HOME JBANG_DIR XDG_CACHE_HOME CURL_HOME
  cache=$HOME/.cache/change-stream-demo
  mkdir "$HOME"
}

# program FILE <<'SH'              puts a program there
program() { # FILE
  mkdir -p "$(dirname "$1")"
  { echo '#!/bin/bash' && cat; } >"$1"
  chmod +x "$1"
}

# A java that is JBang: its answer is a command line, in which an empty argument leaves no trace.
fake_java() {
  program "$bin/java" <<-'SH'
	while [ $# -gt 0 ] && [ "$1" != dev.jbang.Main ]; do shift; done
	case ${2-version} in version) exit ;; esac
	shift
	echo "printf '[%s]\n'" "$@"
	exit 255
	SH
}

# An mvn that fetches at once, unless its second line says otherwise.
fake_mvn() { # [COMMAND]
  program "$bin/mvn" <<-SH
	for arg; do [[ \$arg != -DoutputDirectory=* ]] || mkdir -p "\${arg#*=}"; done
	${1:-}
	SH
}

fake_jbang() { # FILE NAME
  program "$1" <<<"echo '$2'; printf '[%s]\n' \"\$@\""
}

demo_jbang() { run --separate-stderr "$ROOT/test/jbang" "$@"; }

@test "arguments arrive untouched, whatever is in them" {
  local arguments=('' 'two words' "it's" '"quoted"' '$HOME `id` \' $'two\nlines' '*' 'ä' '')
  demo_jbang --quiet args.java "${arguments[@]}" </dev/null
  assert_equal "$output" "$(printf '[%s]\n' "${arguments[@]}")"
  assert_equal "$stderr" ''
}

@test "stdin and the exit code are the script's" {
  demo_jbang --quiet args.java a b c <<<'from stdin'
  assert_line 'from stdin'
  assert_status 3
}

@test "a checkout whose path has a space works from any folder" {
  mkdir -p 'check out/test' 'else where'
  cp "$ROOT/test/jbang" 'check out/test/'
  mv args.java 'check out/'
  cd 'else where'
  run --separate-stderr '../check out/test/jbang' --quiet '../check out/args.java' here </dev/null
  assert_equal "$output" '[here]'
  assert_status 1
}

# A java that is JBang: it answers with a program that prints its arguments, and notes that it was asked.
asked_java() { # ARGUMENT…
  program "$bin/program" <<<"printf '[%s]\\n' \"\$@\""
  printf '%q ' "$bin/program" "$@" >"$HOME/answer"
  program "$bin/java" <<-SH
	while [ \$# -gt 0 ] && [ "\$1" != dev.jbang.Main ]; do shift; done
	case \${2-version} in version) exit ;; esac
	echo "\$*" >>"$HOME/asked"
	while [[ \$1 != *.java && \$1 != reset ]]; do shift; done
	shift
	cat "$HOME/answer"
	[ \$# = 0 ] || printf '%q ' "\$@"
	exit 255
	SH
}

@test "an unchanged script starts without asking JBang again; whatever may change its answer asks again" {
  bare_machine
  fake_mvn
  touch "$HOME/it's a.jar" "$HOME/b.jar"
  asked_java -classpath "$HOME/it's a.jar:$HOME/b.jar" args
  asked() { # COUNT [ARGUMENT…]      so often, after this call
    demo_jbang "${@:2}"
    assert_equal "$output" "$(printf '[%s]\n' -classpath "$HOME/it's a.jar:$HOME/b.jar" args 'two  words' '' '*')"
    assert_equal "$(wc -l <"$HOME/asked" | tr -d ' ')" "$1"
  }
  local rest=('two  words' '' '*') stamp
  asked 1 run --quiet args.java "${rest[@]}"
  asked 1 --quiet args.java "${rest[@]}"
  assert_equal "$stderr" ''
  mkdir 'else where' && cp args.java 'else where'
  asked 1 'else where/args.java' "${rest[@]}"

  touch -r args.java stamp
  sed -i.bak 's/exit/EXIT/' args.java && touch -r stamp args.java # neither size nor time tells
  asked 2 args.java "${rest[@]}"
  asked 2 args.java "${rest[@]}"
  JBANG_DEFAULT_JAVA_VERSION=21 asked 3 args.java "${rest[@]}"
  asked 4 args.java "${rest[@]}"
  rm "$HOME/b.jar"
  asked 5 args.java "${rest[@]}"
  touch "$HOME/b.jar"
  asked 5 args.java "${rest[@]}"

  touch jbang.properties
  asked 6 args.java "${rest[@]}"
  rm jbang.properties
  sed -i.bak '1a\
//SOURCES more.java' args.java
  asked 7 args.java "${rest[@]}"
  asked 8 args.java "${rest[@]}"
  sed -i.bak '2d' args.java
  asked 8 args.java "${rest[@]}" # that text is still known
  rm -r "$cache/answers" && touch "$cache/answers" # nothing can be kept
  asked 9 args.java "${rest[@]}"
  asked 10 args.java "${rest[@]}"
  assert_equal "$stderr" ''
}

@test "a name of the project's catalog starts as quickly as the file, but only where it means that" {
  bare_machine
  fake_mvn
  asked_java args
  cd "$ROOT"
  demo_jbang reset 1
  demo_jbang reset 2
  demo_jbang "$ROOT/reset.java" 3
  assert_equal "$output" $'[args]\n[3]'
  assert_equal "$(cat "$HOME/asked")" "dev.jbang.Main run $ROOT/reset.java"
  cd "$WORK"
  demo_jbang reset 4
  assert_equal "$(tail -n 1 "$HOME/asked")" 'dev.jbang.Main reset 4'
}

@test "class data is written at the first run, used from then on, and left where no file can be written" {
  bare_machine
  fake_mvn
  asked_java "-XX:ArchiveClassesAtExit=$HOME/class data/args.jsa" args
  demo_jbang args.java
  assert_equal "$output" '[args]'
  mkdir "$HOME/class data"
  demo_jbang args.java
  assert_equal "$output" "$(printf '[%s]\n' "-XX:ArchiveClassesAtExit=$HOME/class data/args.jsa" args)"
  asked_java "-XX:ArchiveClassesAtExit=$HOME/class data/args.jsa" args --help
  demo_jbang args.java --help # loads too little to be worth keeping
  assert_equal "$output" "$(printf '[%s]\n' args --help)"
  asked_java "-XX:ArchiveClassesAtExit=$HOME/class data/args.jsa" args
  touch "$HOME/class data/args.jsa"
  demo_jbang args.java
  assert_equal "$output" "$(printf '[%s]\n' "-XX:SharedArchiveFile=$HOME/class data/args.jsa" args)"
}

@test "nobody hears of class data, be it there, missing, of another script or no class data at all" {
  local archive run
  export JBANG_CACHE_DIR="$WORK/it's new"
  sed -n '/^\/\/RUNTIME_OPTIONS/p; /^\/\/CDS/p' "$ROOT/reset.java" >header
  assert_equal "$(wc -l <header | tr -d ' ')" 2
  cat header args.java >with.java && sed -i.bak 's/class args/class with/' with.java
  for run in none there garbage again; do
    demo_jbang run with.java "$run" </dev/null
    assert_equal "$output" "[$run]"
    refute_match 'rchive|CDS|VM' "$stderr"
    assert_status 1
    archive=$(echo "$JBANG_CACHE_DIR"/jars/with.java.*/with.jsa)
    [ -f "$archive" ] || fail "no class data after the run '$run'"
    [ $run != there ] || { chmod u+w "$archive" && echo garbage >"$archive"; }
  done
  sed -i.bak 's/\[" + arg + "\]/<" + arg + ">/' with.java
  demo_jbang run with.java edited </dev/null
  assert_equal "$output" '<edited>'
}

@test "a JBang on PATH comes first" {
  bare_machine
  fake_jbang "$bin/jbang" 'from PATH'
  fake_jbang "$HOME/.jbang/bin/jbang" 'from the home folder'
  demo_jbang run 'a b' '' "it's"
  assert_equal "$output" "$(printf '%s\n' 'from PATH' '[run]' '[a b]' '[]' "[it's]")"
  assert_equal "$stderr" ''
}

@test "a JBang on PATH is not test/jbang itself" {
  bare_machine
  fake_jbang "$HOME/.jbang/bin/jbang" 'from the home folder'
  mkdir -p links other/test
  ln -s "$ROOT/test/jbang" links/jbang
  cp "$ROOT/test/jbang" other/test/
  PATH=$ROOT/test:$WORK/links:$WORK/other/test:$PATH
  demo_jbang run
  assert_line 'from the home folder'
}

@test "an empty argument survives JBang's own launcher, too" {
  bare_machine
  fake_java
  fake_jbang jbang-1/bin/jbang 'the launcher' && touch jbang-1/bin/jbang.jar
  ln -s ../work/jbang-1/bin/jbang "$bin/jbang"
  demo_jbang run '' end
  assert_equal "$output" "$(printf '%s\n' '[run]' '[]' '[end]')"
}

@test "without JBang, its zero-install sets one up: one line the first time, none later" {
  bare_machine
  # The installer that it serves calls curl again, as JBang's does.
  program "$bin/curl" <<-'SH'
	cat "$CURL_HOME/.curlrc" >>"$HOME/limits"
	while [ $# -gt 0 ] && [ "$1" != -o ]; do shift; done
	cat >"$2" <<'INSTALLER'
	curl -o "$JBANG_DIR/jbang" release
	mkdir "$JBANG_DIR/bin"
	printf '#!/bin/bash\nprintf "[%%s]\\n" "$@"\n' >"$JBANG_DIR/bin/jbang"
	chmod +x "$JBANG_DIR/bin/jbang"
	INSTALLER
	SH
  echo 'proxy = theirs' >"$HOME/.curlrc"
  demo_jbang run 'a b'
  assert_status 0
  assert_equal "$output" "$(printf '%s\n' '[run]' '[a b]')"
  assert_match '^test/jbang: setting up JBang [0-9.]+ in .*$' "$stderr"
  assert_equal "${#stderr_lines[@]}" 1
  # Neither call may hang on a network that swallows packets, nor forget the user's own settings.
  assert_equal "$(grep -c 'connect-timeout = 5' "$HOME/limits")" 2
  assert_equal "$(grep -c 'proxy = theirs' "$HOME/limits")" 2

  rm "$bin/curl"
  demo_jbang run again
  assert_line '[again]'
  assert_equal "$stderr" ''
}

@test "where JBang's site is out of reach, Maven sets up one that runs scripts and reads catalogs" {
  local java mvn
  java=$(command -v java) mvn=$(command -v mvn) || skip 'no mvn here'
  bare_machine
  ln -s "$java" "$mvn" "$bin"
  program "$bin/curl" <<<'exit 28'
  echo '{"aliases": {"hello": {"script-ref": "args.java"}}}' >jbang-catalog.json
  demo_jbang --quiet hello '' 'a b' <<<'from stdin'
  assert_equal "$output" "$(printf '%s\n' '[]' '[a b]' 'from stdin')"
  assert_status 2
  assert_match '^test/jbang: setting up JBang' "$stderr"
  assert_equal "${#stderr_lines[@]}" 1
}

@test "a set-up that was cut off is made again" {
  bare_machine
  fake_java
  fake_mvn 'kill -9 $PPID'
  demo_jbang run
  [ "$status" != 0 ]
  fake_mvn
  demo_jbang run again
  assert_line '[again]'
}

@test "two that set up at once do not get into each other's way" {
  bare_machine
  fake_java
  fake_mvn "touch '$WORK'/here.\$\$; until [ \$(ls '$WORK'/here.* | wc -l) = 2 ]; do :; done"
  start_command one "$ROOT/test/jbang" run 1
  start_command two "$ROOT/test/jbang" run 2
  wait_exit one
  assert_line '[1]'
  wait_exit two
  assert_line '[2]'
  assert_equal "$(ls "$cache"/jbang-*)" "$(printf '%s\n' lib pom.xml)"
}

@test "where there is no way to JBang, a line says what to install" {
  bare_machine
  fake_java
  demo_jbang run
  assert_status 1
  assert_equal "$output" ''
  assert_match '^test/jbang: no way to JBang: install it .* or Maven' "$stderr"
  assert_equal "${#stderr_lines[@]}" 2 # and the one about setting up
}

@test "without Java, a line says to install one" {
  bare_machine
  fake_mvn
  demo_jbang run
  assert_status 1
  assert_match '^test/jbang: .*install a JDK, 17 or newer' "$stderr"
  assert_equal "${#stderr_lines[@]}" 2
}

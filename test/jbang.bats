# test/jbang: JBang on a machine that may have none.

load helpers/helpers
load helpers/machine

setup() {
  common_setup
  args_java
}

@test "arguments, stdin and the exit code pass through untouched, with and without options of JBang" {
  local arguments=('' 'two words' "it's" '"quoted"' '$HOME `id` \' $'two\nlines' '*' 'ä' '') options
  for options in --quiet '--quiet run -Dx=y'; do
    LC_ALL=C.UTF-8 \
      run --separate-stderr "$ROOT/test/jbang" $options args.java "${arguments[@]}" <<<'from stdin'
    assert_prints "$(printf '[%s]\n' "${arguments[@]}")" 'from stdin'
    assert_failure 9
  done
}

@test "a checkout whose path has a space works from any folder, linked, from a ZIP, and with options set" {
  mkdir -p 'check out/test' 'else where'
  cp "$ROOT/test/jbang" 'check out/test/' && mv args.java 'check out/'
  cd 'else where' && ln -s '../check out/test/jbang' linked
  JAVA_TOOL_OPTIONS='-Dx=1 -XX:+UseParallelGC' jbang=./linked demo_jbang --fresh '../check out/args.java' here
  assert_equal "$output" '[here]' # not what the JVM says of them, nor that there are two garbage collectors
  chmod -x '../check out/test/jbang'
  jbang=env demo_jbang SHELLOPTS=errexit:nounset:noclobber:noglob:pipefail:posix \
    bash '../check out/test/jbang' --quiet '../check out/args.java' '' here
  assert_prints '[]' '[here]'
}

@test "a clone made with core.autocrlf=true works" {
  [ -e "$ROOT/.git" ] || skip 'not a clone'
  git -c core.autocrlf=true clone -q --depth 1 "file://$ROOT" clone
  jbang=clone/test/jbang demo_jbang --quiet args.java here
  assert_prints '[here]'
}

@test "for a user id that passwd does not know, with or without a home, nothing is left in the checkout" {
  [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || skip 'only root can be somebody else'
  local home place=$WORK
  mkdir -p checkout change-stream-demo-54321/.cache/change-stream-demo # the home in TMPDIR if there is none
  cp args.java "$ROOT/test/jbang" checkout
  # Spares a set-up.
  cp -R ~/.cache/change-stream-demo/jbang-* change-stream-demo-54321/.cache/change-stream-demo || true
  cp -R change-stream-demo-54321 home
  chown -R 54321 checkout home change-stream-demo-54321
  until [ "$place" = / ]; do chmod o+x "$place" && place=$(dirname "$place"); done
  for home in "$WORK/home" /; do
    run --separate-stderr setpriv --reuid 54321 --regid 54321 --clear-groups \
      env -i PATH="$PATH" TMPDIR="$WORK" HOME="$home" \
        checkout/jbang --quiet checkout/args.java here </dev/null
    assert_prints '[here]'
    assert_equal "$(ls -A . checkout | paste -sd' ' -)" \
      '.: .env args.java change-stream-demo-54321 checkout home  checkout: args.java jbang'
  done
}

@test "an unchanged script starts without asking JBang again; whatever may change the answer asks" {
  program bin/java <<<"[[ \" \$* \" != *' dev.jbang.Main '* ]] || echo >>'$WORK/asked'
exec '$(type -P java)' \"\$@\""
  new_home && export PATH=$WORK/bin:$PATH
  asked() { # COUNT [ARGUMENT…]      so often by this call
    : >asked
    demo_jbang "${@:2}" 'two  words' '*'
    assert_prints "${sign}two  words]" "${sign}*]"
    assert_equal "$(wc -l <asked | tr -d ' ')" "$1"
  }
  changed() { asked 1 --quiet run args.java; asked 0 args.java; }
  sign='['
  changed
  rm -r home/.jbang/cache/jars
  changed
  touch -r args.java stamp
  sed -i.bak 's/"\["/"<"/' args.java && touch -r stamp args.java # neither size nor time tells
  sign='<'
  changed
  JBANG_DEFAULT_JAVA_VERSION=17 asked 1 args.java
  echo run.debug=false >../jbang.properties && asked 1 args.java
  mv ../jbang.properties home/.jbang/ && asked 1 args.java
  rm home/.jbang/jbang.properties && JAVA_HOME=$WORK asked 1 args.java
  mkdir sub ../else && echo $'//SOURCES ../../else/two.java\nclass one {}' >sub/one.java
  echo $'//FILES ../work/data\nclass two {}' >../else/two.java && echo 1 >data
  sed -i.bak $'1a\\\n//SOURCES sub/one.java' args.java
  changed
  echo 2 >data && changed
  # What hides in these?
  for line in 'SOURCES sub/*.java' 'DEPS sub/one.java' 'RUNTIME_OPTIONS -Dx=${user.dir}'; do
    sed -i.bak "1s|.*|//$line|" args.java
    asked 1 --quiet args.java
    asked 1 args.java
  done
  mkdir -p copy/test && cp "$ROOT"/{reset.java,jbang-catalog.json} copy && cp "$ROOT/test/jbang" copy/test
  cd copy
  for _ in 1 2; do : >../asked && jbang=test/jbang demo_jbang --quiet reset --version; done # the catalog's
  assert_prints 'reset 1.0'
  [ ! -s ../asked ]
  sed -i.bak $'s/"script-ref": "reset.java",/&\\\n"arguments": ["--help"],/' jbang-catalog.json
  jbang=test/jbang demo_jbang --quiet reset
  assert_line --regexp '^Usage: reset '
  cd .. && demo_jbang reset --version
  assert_stderr_line --regexp "could not be found or read: 'reset'"
  assert_failure 2
}

@test "terminals that start one new script at once do not spoil it; one that was killed holds up nobody" {
  new_home
  mkfifo input && exec 5<>input # from which nothing comes, so that none of them ends
  true & wait $! && ln -s $! home/.cache/change-stream-demo/lock
  for name in one two three four; do
    start_command $name bash -c 'exec "$@" <&5' - "$ROOT/test/jbang" --quiet args.java $name
  done
  for name in one two three four; do wait_for $name.out "^\[$name]$" 1 120; done
}

@test "each script starts with a Java agent, and without the class data of Java" {
  echo 'class agent { public static void premain(String options) {} }' >agent.java && javac agent.java
  echo 'Premain-Class: agent' >manifest && jar cfm agent.jar manifest agent.class
  for script in "$ROOT"/*.java "$ROOT"/test/*.java; do
    grep -q '^///usr' "$script" || continue
    for options in "-javaagent:'$WORK/agent.jar'" -Xshare:off; do
      JAVA_TOOL_OPTIONS=$options demo_jbang --quiet "$script" --version
      assert_equal "$output" "$(basename "$script" .java) 1.0"
    done
  done
}

@test "a JBang on PATH comes first, then one in the home folder; test/jbang is not taken for one" {
  bare_machine
  program "$HOME/.jbang/bin/jbang" <<<'echo "from the home folder"'
  mkdir -p links other/test
  ln -s "$ROOT/test/jbang" links/jbang && cp "$ROOT/test/jbang" other/test/
  PATH=$ROOT/test:$WORK/links:$WORK/other/test:$PATH demo_jbang run 'a b'
  assert_prints 'from the home folder'
  program jbang-1/bin/jbang <<<'printf "[%s]\n" "$@" && cat' && ln -s "$WORK/jbang-1/bin/jbang" "$bin/"
  run --separate-stderr "$ROOT/test/jbang" run 'a b' "it's" <<<'from stdin'
  assert_prints '[run]' '[a b]' "[it's]" 'from stdin'
  # As JBang quotes them.
  program "$bin/java" <<<'printf "printf \"[%%s]\\\\n\" "; shift 5; printf "%s " "$@"; exit 255'
  touch jbang-1/bin/jbang.jar # with which an empty argument survives as well
  demo_jbang run '' end
  assert_prints '[run]' '[]' '[end]'
}

@test "without JBang, its zero-install sets one up, or else Maven; or else a line says what to install" {
  bare_machine
  local mvn=$(readlink "$bin/mvn")
  # A set-up that is cut off is made again.
  program "$bin/mvn" <<<'for a; do [[ $a != -DoutputDirectory=* ]] || mkdir -p "${a#*=}"; done; kill -9 $PPID'
  demo_jbang run args.java
  [ "$status" != 0 ]
  echo '{"aliases": {"hello": {"script-ref": "args.java"}}}' >jbang-catalog.json
  rm "$bin/mvn" && ln -s "$mvn" "$bin/"
  demo_jbang --quiet hello '' 'a b'
  assert_equal "$output" $'[]\n[a b]'
  assert_stderr_line --regexp '^test/jbang: setting up JBang'
  assert_equal "${#stderr_lines[@]}" 1

  rm -r "$bin/mvn" "$HOME/.cache"
  demo_jbang run
  assert_failure 1
  assert_regex "${stderr_lines[1]}" '^test/jbang: no way to JBang: install it .* or Maven'
  rm "$bin/javac"
  demo_jbang run
  assert_failure 1
  assert_regex "${stderr_lines[1]}" '^test/jbang: no JDK, at most a JRE: install a JDK, 17 or newer'

  program "$bin/curl" <<-'SH'
	while [ "$1" != -o ]; do shift; done
	echo "mkdir -p ~/.jbang/bin && ln -s '$(type -P echo)' ~/.jbang/bin/jbang" >"$2"
	SH
  demo_jbang run 'a b'
  assert_equal "$output" 'run a b'
  demo_jbang run again
  assert_prints 'run again'
}

# For the tests of test/jbang: machines that lack what ours has.

# shellcheck shell=bash

program() { # FILE <<'SH'           puts a program there
  rm -f "$1" && mkdir -p "$(dirname "$1")"
  { echo '#!/bin/bash' && cat; } >"$1" && chmod +x "$1"
}

new_home() { # in which JBang is set up, and no more
  mkdir -p home/.cache/change-stream-demo
  ln -s ~/.cache/change-stream-demo/jbang-* home/.cache/change-stream-demo/
  export HOME=$WORK/home && unset JAVA_HOME XDG_CACHE_HOME "${!JBANG_@}"
}

# A machine with all that PATH has, but nothing that leads to JBang, and an empty home.
bare_machine() {
  local dirs dir repository=$HOME/.m2
  export HOME="$WORK/a home" bin=$WORK/bin
  mkdir "$bin" "$HOME" && ln -s "$repository" "$HOME/.m2"
  IFS=: read -ra dirs <<<"$PATH"
  for dir in "${dirs[@]}"; do ln -s "$dir"/* "$bin" 2>/dev/null || true; done # the first of a name wins
  rm -f "$bin/jbang" && program "$bin/curl" <<<'exit 28'
  export PATH=$bin
  unset JAVA_HOME JBANG_DIR XDG_CACHE_HOME
}

# A script that prints its arguments and its stdin, and ends with the number of the arguments.
args_java() {
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

# Ours, or the one that `jbang` names.
demo_jbang() { # [ARGUMENT…]
  run --separate-stderr within 120 "${jbang:-$ROOT/test/jbang}" "$@" </dev/null
}

# That it printed these lines, and nothing on stderr.
assert_prints() { # LINE…
  assert_equal "$output$stderr" "$(printf '%s\n' "$@")"
}

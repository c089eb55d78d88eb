# For tests that run test/run within a test.

# shellcheck shell=bash disable=SC2154 # status and lines are set by run

# Sets unaware, to put before a command: without what bats tells those below it.
as_from_a_terminal() {
  unaware=(env $(compgen -v | sed -n 's/^BATS_/-u &/p') PATH="${PATH//"$BATS_LIBEXEC":/}")
}

# Its tests begin with `test`: bats would take each line that begins with @test for a test of this very file.
suite() { sed 's/^test /@test /' >"test/$1.bats"; } # NAME <<'BATS'

run_tests() { run within 60 "${unaware[@]}" "${command:-$WORK/check out/test/run}" "$@"; } # [ARGUMENT…]

assert_ends() { # CODE LINE
  assert_equal "$status ${lines[${#lines[@]} - 1]}" "$1 $2"
}

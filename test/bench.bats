# test/bench/run: that it measures, not what.

load helpers/helpers

setup() {
  common_setup
  unset TEST_MONGODB_URI # it has a sandbox of its own
}

# All its processes have its database in their environment; Linux shows that. (The exit code of grep is 2 when a process
# ended while it looked.)
refute_leftovers() {
  local left deadline=$((SECONDS + 10))
  while left=$(grep -lzs '^DATABASE=change_stream_demo_bench_' /proc/[0-9]*/environ) || [ "$left" ]; do
    ((SECONDS < deadline)) || fail "that still runs: $left" || return
    pause
  done
}

@test "a tiny run of the bench has a row for each figure, script beside bare driver, and leaves nothing running" {
  local row figure='[0-9.]+'
  run --separate-stderr within 600 "$ROOT/test/bench/run" --quick
  assert_success
  assert_equal "$stderr" ''
  assert_line --regexp '^Machine: .+, [0-9]+ cores; Java [0-9].+; quick\.$'
  for row in '`reset`: seconds' '`reset`: CPU' '`listener`: seconds' 'CPU per' 'memory'; do
    assert_line --regexp "^\| $row.* \| $figure \| $figure \(\*\*$figure\*\*, $figure to $figure\) \|"
  done
  refute_leftovers
}

@test "a bench that is ended midway takes all that it started with it" {
  start_command bench "$ROOT/test/bench/run" --quick
  wait_for bench.out '^\| what' 1 200 # the next one starts
  signal bench TERM
  wait_exit bench
  assert_failure 143
  refute_leftovers
}

# test/bench/run: that it measures, not what.

load helpers/helpers

setup() {
  common_setup
  unset TEST_MONGODB_URI # it has a sandbox of its own
}

# All its processes have its database in their environment; Linux shows that.
refute_leftovers() {
  ! grep -lzs '^DATABASE=change_stream_demo_bench_' /proc/[0-9]*/environ || fail 'that still runs'
}

@test "a tiny run of the bench has a row for each figure, script beside bare driver, and leaves nothing running" {
  local row figure='[0-9.,]+'
  run --separate-stderr within 600 "$ROOT/test/bench/run" --quick
  assert_success
  assert_equal "$stderr" ''
  assert_line --regexp '^Machine: .+, [0-9]+ cores; MongoDB: .+; [0-9-]+; quick\.$'
  for row in '`test/jbang reset`: seconds' '`test/jbang reset`: CPU' 'the same, JBang asked' 'from the start' \
    'latency .*p50' 'p99' 'idle' 'backlog of 1,000:' 'backlog of 10,000:' 'CPU per' 'memory' '`insert --delay 0`'; do
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

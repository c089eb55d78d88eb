# test/bench/run: that it measures, not what.

load helpers/helpers

setup() {
  common_setup
  [ -r /proc/cpuinfo ] || skip 'the bench reads /proc, which Linux has'
  unset TEST_MONGODB_URI # it has a sandbox of its own
}

# All its processes have its database in their environment; Linux shows that.
all_ended() { ! grep -lzs '^DATABASE=change_stream_demo_bench_' /proc/[0-9]*/environ | grep .; }

@test "the bench, run small, has a row for each figure, script beside bare driver, and leaves nothing" {
  local row figure='[0-9.]+'
  run --separate-stderr within 600 "$ROOT/test/bench/run" --quick
  assert_success
  assert_equal "$stderr" ''
  assert_line --regexp '^Machine: .+, [0-9]+ cores; Java [0-9].+; quick\.$'
  for row in '`reset`: seconds' '`reset`: CPU' '`listener`: seconds' 'CPU per' 'memory'; do
    assert_line --regexp "^\| $row.* \| $figure \| $figure \(\*\*$figure\*\*, $figure to $figure\) \|"
  done
  wait_until all_ended
}

@test "a bench that is ended midway takes all that it started with it" {
  start_command bench "$ROOT/test/bench/run" --quick
  wait_for bench.out '^\| what' 1 200 # the next one starts
  signal bench TERM
  wait_exit bench
  assert_failure 143
  wait_until all_ended
}

#!/usr/bin/env bats
# test/bench: that it measures, not what.

load helpers

# All its processes have its database in their environment; Linux shows that.
refute_leftovers() {
  ! grep -lzs '^DATABASE=change_stream_demo_bench_' /proc/[0-9]*/environ || fail 'that still runs'
}

@test "a tiny run of the bench prints a row with its figure for each goal, draws the plot, and leaves nothing running" {
  local plot=() row
  ! command -v gnuplot >/dev/null || plot=(--plot 'a plot.svg')
  run --separate-stderr within 300 "$ROOT/test/bench" --quick ${plot[@]+"${plot[@]}"}
  assert_status 0
  assert_equal "$stderr" ''
  assert_match '^Machine: .+, [0-9]+ cores, .+; Java [0-9.]+; MongoDB: the sandbox; [0-9-]+; --quick\.$'
  for row in 'reset, own process: CPU' 'reset, own process: time' 'test/jbang reset as a whole' 'listener, backlog' \
    'listener, CPU per event' 'listener, peak memory' 'latency, .*p50' 'latency, .*p99' 'insert --delay 0, time' \
    'insert --delay 0, peak memory' 'insert --delay 0: .* a second' 'update --delay 0' 'delete --delay 0' \
    'resume_update --delay 0' 'five idle listeners' 'the sandbox meanwhile'; do
    assert_match "^\| $row.* \| at (most|least) [0-9.]+ \| [0-9.]+ \| (yes|no) \| [1-5] \| [0-9.]+ to [0-9.]+ \| .+ by .+ \|$"
  done
  assert_equal "$(grep '^| .* | at ' <<<"$output" | grep -vc 'AOT cache')" 16
  [ ${#plot[@]} = 0 ] || assert_match '<svg.*' "$(cat 'a plot.svg')"
  refute_leftovers
}

@test "a bench that is ended midway takes all that it started with it" {
  start_command bench "$ROOT/test/bench" --quick
  wait_for bench.out '^\| listener, peak memory' 1 120 # the next ones run
  signal bench TERM
  wait_exit bench
  assert_status 143
  refute_leftovers
}

@test "a part is measured alone, and one that is none is refused" {
  run --separate-stderr within 60 "$ROOT/test/bench" --quick --only start
  assert_status 0
  assert_equal "$(grep '^| .* | at ' <<<"$output" | grep -vcE '^\| (test/jbang )?reset')" 0
  assert_match '^\| test/jbang reset as a whole'
  run --separate-stderr "$ROOT/test/bench" --only everything
  assert_status 2
  assert_equal "$stderr" 'bench: there is no part everything - see test/bench --help'
}

@test "--uri measures there, in a database of its own that is dropped, and leaves others alone" {
  mongo '{"insert": "accounts", "documents": [{"_id": 1}]}'
  # The part that drops no collection itself.
  MONGODB_ATLAS_URL=$TEST_MONGODB_URI run --separate-stderr within 120 "$ROOT/test/bench" --quick --only latency --uri ''
  assert_status 0
  assert_equal "$stderr" ''
  assert_match '^Machine: .*; MongoDB: a server; '
  assert_match '^\| latency, .*p99'
  refute_match 'change_stream_demo_bench' "$(database=admin mongo '{"listDatabases": 1, "nameOnly": true}')"
  assert_equal "$(count)" 1
  refute_leftovers
}

@test "without gnuplot, and with a wrong option, a line says what to do" {
  local tool
  mkdir bin
  for tool in env bash dirname; do ln -s "$(command -v $tool)" bin/; done
  run --separate-stderr env PATH="$WORK/bin" "$ROOT/test/bench"
  assert_status 1
  assert_equal "$stderr" 'bench: found no gnuplot: install it (apt-get install gnuplot-nox, brew install gnuplot)'
  run --separate-stderr "$ROOT/test/bench" --fast
  assert_status 2
  assert_equal "$stderr" 'bench: unknown option --fast - see test/bench --help'
}

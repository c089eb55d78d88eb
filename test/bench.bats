#!/usr/bin/env bats
# test/bench: that it measures, not what.

load helpers

@test "a tiny run of the bench prints a row with its figure for each goal, and the plot, and leaves nothing running" {
  command -v hyperfine >/dev/null || skip 'no hyperfine here'
  local plot=() row
  ! command -v gnuplot >/dev/null || plot=(--plot 'a plot.svg')
  MONGODB_ATLAS_URL='' run --separate-stderr within 300 "$ROOT/test/bench" --quick ${plot[@]+"${plot[@]}"}
  assert_status 0
  assert_equal "$stderr" ''
  assert_match '^Machine: .+, [0-9]+ cores, .+; Java [0-9.]+; MongoDB: the sandbox; [0-9-]+; --quick\.$'
  for row in 'reset, own process: CPU' 'reset, own process: time' 'test/jbang reset, as a whole' 'listener, backlog' \
    'listener, CPU per event' 'listener, peak memory' 'latency, .*p50' 'latency: p99' 'insert --delay 0, time' \
    'insert --delay 0, peak memory' 'insert --delay 0, .* rate' 'update --delay 0' 'delete --delay 0' \
    'resume_update --delay 0' 'five idle listeners' 'the sandbox meanwhile'; do
    assert_match "^\| $row.* \| at (most|least) [0-9.]+ \| [0-9.]+ \| (yes|no) \| [0-9]+ \| .* \| .+ \|$"
  done
  assert_equal "$(grep -c '^| .* | at ' <<<"$output")" 16
  [ ${#plot[@]} = 0 ] || assert_match '<svg' "$(cat 'a plot.svg')"
  # All its processes say their work folder's database in the environment; Linux shows that.
  ! grep -lz 'change_stream_demo_bench_' /proc/[0-9]*/environ 2>/dev/null | grep -q . || fail 'something still runs'
}

@test "without hyperfine or gnuplot, and with a wrong option, a line says what to do" {
  local tool
  mkdir bin
  for tool in env bash dirname; do ln -s "$(type -P $tool)" bin/; done
  ln -s "$(type -P true)" bin/hyperfine
  run --separate-stderr env PATH="$WORK/bin" "$ROOT/test/bench"
  assert_status 1
  assert_match '^bench: found no gnuplot: install it' "$stderr"
  rm bin/hyperfine
  run --separate-stderr env PATH="$WORK/bin" "$ROOT/test/bench" --quick
  assert_status 1
  assert_match '^bench: found no hyperfine: install it' "$stderr"
  run --separate-stderr "$ROOT/test/bench" --fast
  assert_status 2
  assert_match '^bench: unknown option --fast - see test/bench --help$' "$stderr"
}

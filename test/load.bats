#!/usr/bin/env bats
# Nothing is lost when much happens at once.

load helpers/helpers

@test "10,000 quick changes of two writers reach five listeners, each of them once and in the same order" {
  export MONGODB_ATLAS_URL=$TEST_MONGODB_URI DATABASE=$database
  run --separate-stderr script load 5 2 10000
  assert_success
  assert_equal "$output" "$(
    for i in {1..5}; do echo "stream $i: 10000 events, 0 missed, 0 repeated, 0 too early, 0 unknown"; done
    echo 'same order in all streams: yes'
  )"
}

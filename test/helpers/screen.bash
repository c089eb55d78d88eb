# For the tests of the show: a terminal (tmux's), what stands there, and what must be gone after it.

# shellcheck shell=bash disable=SC2034,SC2154

screen() { tmux -u -S "$WORK/screen" -f /dev/null "$@"; }

on_terminal() { # COLUMNS ROWS [OPTION…]: types the command there
  [ -n "$(command -v tmux)" ] || skip 'no tmux here'
  screen new-session -d -x "$1" -y "$2" bash --norc
  local command="'$ROOT/test/demo' --speed 25 ${*:3}"
  screen send-keys "stty -g >before; $command; code=\$?; stty -g >after; echo ended with \$code" Enter
}

look() { screen capture-pane -p "$@"; } # -e: with its styles

see() { # REGEX [OPTION OF look…]
  local deadline=$((SECONDS + 120))
  until seen=$(look "${@:2}") && grep -qE -e "$1" <<<"$seen"; do
    ((SECONDS < deadline)) || fail "not on the screen: $1"$'\n'"but: $seen" || return
    pause
  done
}

press() { screen send-keys "$@"; }

enter() { see ' Enter e f c . q$' && press Enter; } # when it is asked for

processes() { # ps shows the environment, its own too
  ps axeww | grep -F "DEMO_MARK=$DEMO_MARK" | grep -vE "ps axeww|grep -|bash --norc|tmux -u"
}

nothing_is_left() {
  local left deadline=$((SECONDS + 10))
  while left=$(processes); do # what has been ended may take a moment to be gone
    ((SECONDS < deadline)) || fail "still running: $left" || return
    pause
  done
  assert_equal "$(ls -A "$WORK/tmp" | grep -v hsperfdata)" ''
  database=admin run mongo '{"listDatabases": 1, "nameOnly": true}'
  refute_output --regexp 'change_stream_demo_[0-9a-f]{8}-'
}

terminal_is_as_before() {
  see '^ended with [0-9]+$'
  cmp before after
  assert_equal "$(screen display -p '#{cursor_flag} #{alternate_on}')" '1 0'
}

# The last slide of a text: all that follows its headline, in one line, with N for each measured time.
last_slide() { # TEXT
  sed -nE '/should have been shown/,$ { s/after [0-9.]+ s/N/; s/[0-9]+ (ms|\(worst)/N \1/g; /^bash/!p; }' \
    <<<"$1" | xargs
}

whole="Event should have been shown shown missed \
INSERT 6 6 0 UPDATE 5 5 0 DELETE 3 3 0 REPLACE 1 1 0 RESUME 14 14 0 \
What failed was back first event then STREAM CLOSED N counter 9, N ms later NETWORK CUT N counter 12, \
N ms later From the write to the screen, without failure: N ms (median), N (worst) \
Resume stream closed, events seen: 14, counters 1..14, 0 missed, 0 repeated Nothing was missed."

# The texts of a picture, each once, with what differs masked.
texts() { # FILE
  sed -nE 's/^<text[^>]*>(.*)<.text>$/\1/p' "$1" |
    sed -E 's/ *│$//; s/token .*/token/; s/[0-9.]+/N/g; s/ +/ /g' | sort -u
}

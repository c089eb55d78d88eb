# For tests of a listener: starting and ending it, the commands that it shall notice, and what came on its screen.
# `load listening` after `load helpers`.

# shellcheck shell=bash disable=SC2154 # status, output and stderr are set by wait_exit

## What the tests do

# Starts the listener; what is written from here on must be shown.
listen() { # [OPTION…]
  start listener "$@"
  wait_for listener.out '^(Insert|Update|Delete|Replace|Resume) listener thread started\.$' 5
}

# Starts it for nothing: it has to end by itself, with this exit code and one line.
fails() { # CODE [OPTION…]
  start listener "${@:2}"
  wait_exit listener
  assert_status "$1"
  assert_one_line "$stderr"
}

# Ends it as a user does, and takes what it has printed as the output.
ctrl_c() { # [EXIT CODE]
  signal listener INT
  wait_exit listener
  assert_status "${1:-130}"
}

# A sandbox of the test's own, for what would disturb others; prints its URI.
own_sandbox() { # [OPTION…]
  start sandbox --port 0 "$@"
  wait_for sandbox.out '^ready$' 1 60
  TEST_MONGODB_URI=$(grep -o 'mongodb://[^ ]*' sandbox.out)
  sed -i.old "s|^MONGODB_ATLAS_URL=.*|MONGODB_ATLAS_URL=$TEST_MONGODB_URI|" .env
}

# Runs commands that write, and makes sure that they did.
write() { # COMMAND…
  local replies
  replies=$(mongo "$@") || fail "not written: $replies"
  refute_match writeErrors "$replies"
}

insert() { # DOCUMENT…: the command
  local IFS=,
  echo "{\"insert\": \"accounts\", \"documents\": [$*]}"
}

update() { # ID UPDATE [FILTER]: the command
  echo "{\"update\": \"accounts\", \"updates\": [$(change "$@")]}"
}

change() { # ID UPDATE [FILTER]
  echo "{\"q\": {\"_id\": $1${3:+, $3}}, \"u\": $2}"
}

deposit() { # ID TYPE AMOUNT: the command that update.java sends
  update "$1" "{\"\$inc\": {\"accounts.\$.balance\": $3}}" \
    "\"accounts\": {\"\$elemMatch\": {\"type\": \"$2\", \"balance\": {\"\$lt\": 1000}}}"
}

counter() { # ID NUMBER: the command
  update "$1" "{\"\$set\": {\"resumeCounter\": $2}}"
}

customer() { # ID NAME SAVINGS CHECKING
  echo "{\"_id\": $1, \"firstName\": \"$2\", \"lastName\": \"Smith\", \"email\": \"$2@example.org\"," \
    "\"address\": {\"city\": \"Rome\"}," \
    "\"accounts\": [{\"type\": \"savings\", \"balance\": $3}, {\"type\": \"checking\", \"balance\": $4}]}"
}

## What they look at

# The blocks of a kind that were shown, each with the empty line behind it.
blocks() { # HEADLINE
  awk -v head="=== $1 ===" '$0 == head {on = 1} on {print} $0 == "" {on = 0}' listener.out
}

# The lines stand in the output, in this order; others may stand between them.
assert_in_order() { # LINE…
  local line
  while IFS= read -r line && [ $# -gt 0 ]; do
    [ "$line" != "$1" ] || shift
  done <<<"$output"
  [ $# = 0 ] || fail "missing, or in another place: $1"$'\n'"in:"$'\n'"$output"
}

assert_one_line() { # TEXT
  [ "$(wc -l <<<"$1")" = 1 ] && [ -n "$1" ] || fail "not one line, but: $1"
}

# For tests of a listener: starting and ending it, the commands that it shall notice, and what it showed.
# `load helpers/listening` after `load helpers/helpers`.

# shellcheck shell=bash disable=SC2154 # status, output and stderr are set by wait_exit

## What the tests do

# Starts the listener; what is written from here on must be shown.
listen() { # [OPTION…]
  start listener "$@"
  wait_for listener.out '^and invalidate events, all of them\.$'
}

# Starts it for nothing: it has to end by itself, with this exit code.
fails() { # CODE [OPTION…]
  start listener "${@:2}"
  wait_exit listener
  assert_failure "$1"
}

# Ends it as a user does, and takes what it has printed as the output.
ctrl_c() { # [EXIT CODE]
  signal listener INT
  wait_exit listener
  assert_failure "${1:-130}"
}

# Runs commands that write, and makes sure that they did.
write() { # COMMAND…
  local replies
  replies=$(mongo "$@") || fail "not written: $replies"
  refute_regex "$replies" writeErrors
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

counters() { # FROM TO: one command that sets them, one after the other
  local changes
  changes=$(each "$1" "$2" "$(change 1 '{"$set": {"resumeCounter": &}}')")
  echo "{\"update\": \"accounts\", \"updates\": [$changes]}"
}

each() { # FROM TO JSON: one for each number, for which & stands
  seq "$1" "$2" | sed "s|.*|$3|" | paste -sd, -
}

# Lets each of the five streams show one event.
write_all_kinds() { # ID [NAME]
  write "$(insert "$(customer "$1" "${2:-ann}" 5 -1)")" "$(deposit "$1" savings 1)" "$(counter "$1" "$1")" \
    "$(update "$1" '{"email": "new"}')" \
    "{\"delete\": \"accounts\", \"deletes\": [{\"q\": {\"_id\": $1}, \"limit\": 1}]}"
}

customer() { # ID NAME SAVINGS CHECKING
  echo "{\"_id\": $1, \"firstName\": \"$2\", \"lastName\": \"Smith\", \"email\": \"$2@example.org\"," \
    "\"address\": {\"city\": \"Rome\"}," \
    "\"accounts\": [{\"type\": \"savings\", \"balance\": $3}, {\"type\": \"checking\", \"balance\": $4}]}"
}

## What they look at

# The blocks of a kind that were shown, each up to the empty line behind it, as one line without the headline:
# `Checking Account Deposit | Customer: Ann Smith | Updated Checking Balance to: 50`
shown() { # HEADLINE
  awk -v head="=== $1 ===" '
    $0 == head {on = 1; block = ""; next}
    on && $0 == "" {print substr(block, 4); on = 0}
    on {block = block " | " $0}' listener.out
}

shows_all_kinds() { # [COUNT]
  local kind
  for kind in 'INSERT EVENT' 'UPDATE EVENT' 'RESUME EXAMPLE' 'REPLACE EVENT' 'DELETE EVENT'; do
    wait_for listener.out "^=== $kind ===$" "${1:-1}"
  done
}

# Each coloured headline ends with a reset; there is nothing but SGR: no cursor is moved, nothing is left on.
assert_coloured() { # FILE
  run cat "$1"
  assert_line --regexp $'^(\e\\[[0-9;]*m)+=== INSERT EVENT ===(\e\\[[0-9;]*m)*\e\\[0?m\r?$'
  refute_regex "$(sed $'s/\e\\[[0-9;]*m//g' "$1")" $'\e'
}

## What it has of a server that fails, and of its token file

tokens=(--token-file tokens.json)
away='^No answer from MongoDB for 3 s$'
back='^MongoDB answers again, after [0-9]+\.[0-9] s$'

# Pushes everything before it out of a small oplog, with changes that no stream of ours lets through.
roll_the_oplog() {
  write "{\"insert\": \"elsewhere\", \"documents\": [$(each 1 300 '{"_id": &}')]}" '{"drop": "elsewhere"}'
}

tokens_in() { # FILE
  grep -o '"_data": "[^"]*"' "$1" || true # none before the first reading
}

all_are_new() { # FILE FILE-WITH-TOKENS
  cat "$1" "$2"
  [ "$(tokens_in "$1" | grep -vcFf "$2")" = 5 ]
}

# server_status '"pinned": 0[,}]'   that nobody reads the oplog: the server has answered all that it was asked
server_status() { # REGEX
  grep -E "$1" <<<"$(mongo '{"serverStatus": 1}')"
}

# It refuses to start with this token file, and leaves it as it was.
refused_token_file() { # WHOSE IT IS NOT [OPTION…]
  local before
  before=$(cksum tokens.json)
  fails 2 "${tokens[@]}" "${@:2}"
  assert_error "^listener: tokens.json is no token file of $1 - name one$"
  refute_line --regexp 'thread started'
  assert_equal "$(cksum tokens.json)" "$before"
}

lost() { # STREAM REMEDY
  assert_error "^listener: $1 stream: .* - history lost, not in this server's oplog; to begin anew, $2\$"
}

open_cursors() {
  database=admin mongo '{"serverStatus": 1}' | sed -nE 's/.*"open": \{[^}]*"total": ([0-9]+).*/\1/p'
}

# For the tests of mongod: its nodes, and a server on loopback that it can fetch an archive from.

# shellcheck shell=bash disable=SC2034

ready() { # LABEL: that one is ready, and has a real URI
  wait_for "$1.out" '^ready$' 1 60
  TEST_MONGODB_URI=$(grep '^mongodb://' "$1.out")
}

process() { # NODE OF LABEL, from 1
  sed -n 's/^mongod on port [0-9]*, process id //p' "$2.out" | sed -n "$1p"
}

nothing_is_left() { # LABEL: of its processes and its data
  local id folder
  for id in $(process 1,9 "$1"); do
    ! kill -0 "$id" 2>/dev/null || fail "process $id is still running"
  done
  for folder in $(sed 's/.*--dbpath //; s/ .*//' arguments); do
    [ ! -e "${folder%/*}" ] || fail "$folder is still there"
  done
}

# Serves the folder `mirror`, and sets mirror to its address; mirror.err says what it was asked for.
mirror() {
  command -v python3 >/dev/null || skip 'python3 serves the archive'
  mkdir mirror
  start_command mirror python3 -u -m http.server 0 --bind 127.0.0.1 --directory mirror
  wait_for mirror.out 'port [0-9]+'
  mirror=http://127.0.0.1:$(sed -E 's/.* port ([0-9]+) .*/\1/' mirror.out)
}

# The name of the archive differs by system: it is what the server was asked for last.
archive() {
  local file
  file=mirror$(grep -oE '/[^ ]*\.(tgz|zip)' mirror.err | tail -n 1)
  mkdir -p "${file%/*}"
  echo "$file"
}

# Clients of MongoDB in other languages, fetched once.

# shellcheck shell=bash

mongosh=2.12.0
driver=7.9.0

setup_file() {
  local cache=${XDG_CACHE_HOME:-$HOME/.cache}/change-stream-demo work
  export CLIENTS=$cache/clients-$mongosh-$driver/node_modules
  if [ ! -d "$CLIENTS" ]; then
    echo "# fetching mongosh $mongosh and the Node.js driver $driver into ${CLIENTS%/*} (once)" >&3
    mkdir -p "$cache" && work=$(mktemp -d "$cache/clients.XXXXXX") || return
    npm install --prefix "$work" --loglevel error --no-save --no-audit --no-fund --ignore-scripts \
      "mongosh@$mongosh" "mongodb@$driver" >&2 3>&- || return
    mv "$work" "${CLIENTS%/*}"
  fi
}

python() { "$([ -x /usr/bin/python3 ] && echo /usr/bin/python3 || echo python3)" "$@"; }

# Customers for the tests of the writers, and what these print: `load helpers/customers` beside
# `load helpers/helpers`.

# shellcheck shell=bash disable=SC2034,SC2154

# customer ann 950 20              one with 950 in the checking account and 20 in savings
customer() { # ID CHECKING SAVINGS
  echo "{\"_id\": \"$1\", \"firstName\": \"$1\", \"lastName\": \"Doe\", \"accounts\":" \
    "[{\"type\": \"savings\", \"balance\": $3}, {\"type\": \"checking\", \"balance\": $2}]}"
}

# Documents that no script may stumble over: the sample of reset, and what somebody made by hand.
odd_documents=(
  '{"_id": "sample", "firstName": "My First Name", "lastName": "My Last Name"}'
  '{"_id": "empty", "accounts": []}'
  '{"_id": "text", "accounts": "none"}'
  '{"_id": "null", "accounts": null}'
  '{"_id": "bare", "accounts": [{"type": "checking"}]}'
  '{"_id": "words", "accounts": [{"type": "checking", "balance": "much"}]}'
)

# Who has two accounts, and how much in each: `ann 20 950`, a line for each.
balances() {
  documents '{"accounts": {"$size": 2}}' '{"accounts.balance": 1}' |
    sed -E 's/^\{"_id": "(.*)", "accounts": \[\{"balance": (.*)\}, \{"balance": (.*)\}\]\}$/\1 \2 \3/'
}

# Customers as insert makes them, with a name for each value: then all are the same.
masked() {
  sed -E -e 's/"[0-9a-f]{24}"/ID/; s/"\([0-9]{3}\) [0-9]{3}-[0-9]{4}"/PHONE/g' \
    -e 's/"[a-z.]+@example/"NAME@example/; s/"zip": "[0-9]{5}(-[0-9]{4})?"/"zip": ZIP/' \
    -e 's/"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])-[0-9]{4}"/DATE/' \
    -e 's/("(firstName|lastName|street|city|state)": )"[^"]+"/\1TEXT/g; s/"[0-9]+(-?[0-9]+)*"/CARD/g' \
    -e 's/"interestRate": [0-9]\.[0-9]/"interestRate": RATE/; s/: -?[0-9]+/: N/g'
}

# E-mail and checking balance of each customer, as insert prints them.
emails_and_balances() { # COLLECTION
  mongo "{\"find\": \"$1\"}" | sed -E 's/.*"email": "([^"]*)".*"balance": (-?[0-9]+)\}\]\}$/\1, checking \2/'
}

# Who has which number: `ann 1`, a line for each.
counters() {
  documents '{"resumeCounter": {"$exists": true}}' '{"resumeCounter": 1}' |
    sed -E 's/^\{"_id": "(.*)", "resumeCounter": (.*)\}$/\1 \2/'
}

# What a writer has printed about its customers, between the banner and the totals.
about_customers() {
  sed -n '/^Found/,/^=/{/^=/!p;}' <<<"$output"
}

# The time that it told is no less than its pauses, and no more than there was.
assert_took() { # SECONDS
  awk -F ': ' -v least="$1" -v most="$((SECONDS + 1))" '
    /^Total Time Elapsed/ { right = $2 >= least && $2 <= most }
    END { exit !right }' <<<"$output" || fail "not $1 to $((SECONDS + 1)) seconds: $output"
}

# assert_transcript <FILE         the whole of stdout after the settings and before the time that it took, with ids
#                                  masked and rules as ---, and an empty stderr
assert_transcript() {
  assert_took 0
  local rule
  rule=$(printf '=%.0s' {1..60})
  assert_equal "$(sed -E -e 's,^(Hosts: ).+,\1URI,' -e 's/: [0-9a-f]{24}$/: ID/' \
    -e 's/^(Total Time Elapsed \(in seconds\): )[0-9]+\.[0-9]+$/\1TIME/' -e "s/^$rule\$/---/" <<<"$output")" \
    "$(printf '%s\n' 'Hosts: URI' "Database: $database" 'Collection: accounts' --- && cat &&
      printf '%s\n' 'Total Time Elapsed (in seconds): TIME' ---)"
  assert_equal "$stderr" ''
}

## All writers at once, each with a collection of its own

writers=(insert update delete resume_update)

# Ctrl-C for all four; each ends with the customer in hand, its totals and exit code 130.
ctrl_c_after_one_customer() {
  local name
  for name in "${writers[@]}"; do signal $name INT; done
  for name in "${writers[@]}"; do
    wait_exit $name
    assert_failure 130
    assert_equal "$stderr" ''
    assert_line --regexp '^(Inserted record: 1 of|Added .* ann$|Number of documents deleted: 1|Counter value: 1)'
    assert_equal "$(tail -n 4 <<<"$output" | sed -E 's/ [a-z]+d: / DONE: /; s/[0-9]+\.[0-9]+/TIME/')" \
      "$(printf '%s\n' ============================================================ 'Customers DONE: 1' \
        'Total Time Elapsed (in seconds): TIME' ============================================================)"
  done
  run mongo '{"count": "new"}' '{"count": "poor", "query": {"accounts.balance": 101}}' '{"count": "red"}' \
    '{"count": "rich", "query": {"resumeCounter": 1}}'
  assert_equal "$(grep -o '"n": [0-9]*' <<<"$output" | paste -sd' ' -)" '"n": 1 "n": 1 "n": 1 "n": 1'
}

one_collection_each() {
  mongo "{\"insert\": \"poor\", \"documents\": [$(customer ann 1 1), $(customer bob 1 1)]}" \
    "{\"insert\": \"red\", \"documents\": [$(customer ann -1 1), $(customer bob -1 1)]}" \
    "{\"insert\": \"rich\", \"documents\": [
      $(customer ann 2000 1), $(customer bob 2000 1), $(customer cyd 2000 1)]}"
}

start_writers() { # OPTION…
  start insert --collection new "$@"
  start update --collection poor "$@"
  start delete --collection red "$@"
  start resume_update --collection rich "$@"
}

## A checkout

# A copy of what a user has, in a folder with a space; the way to it is its .env.
checkout() { # FOLDER
  mkdir -p "$1/test"
  cp "$ROOT"/*.java "$ROOT/jbang-catalog.json" "$1"
  cp -R "$ROOT"/test/*.java "$ROOT/test/sandbox" "$1/test"
  mkdir -p bin
  ln -sf "$ROOT/test/jbang" bin/jbang
  PATH=$WORK/bin:$PATH
}

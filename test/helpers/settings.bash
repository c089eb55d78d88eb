# For the tests of settings: what is found, and what is refused.

# shellcheck shell=bash disable=SC2154 # output and stderr are set by run

# refused REGEX NAME [ARGUMENT…]   expects exit code 2, one line on stderr, and on stdout the settings at most; and no
# failed REGEX NAME [ARGUMENT…]    s3cret, which stands for the passwords in what a script is given. Or exit code 1.
refused() { expect 2 "$@"; }
failed() { expect 1 "$@"; }

expect() { # CODE REGEX NAME [ARGUMENT…]
  limit=50 script_fails "$@" # seconds, on a machine that is busy
  assert_equal "$(grep -vE '^(Hosts|Database|Collection): ' <<<"$output")" ''
  refute_regex "$output$stderr" s3cret
}

nothing_written() {
  assert_equal "$(mongo '{"listCollections": 1}')" ''
}

# settings DIRECTORY [OPTION…]: those that a script in this folder has found, on one line
settings() {
  (cd "$1" && script reset "${@:2}") | sed -nE 's/^(Hosts|Database|Collection): //p' | paste -sd' ' -
}

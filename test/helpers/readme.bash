# For the tests of README.md: what it tells people to type, and what it shows of what they see then.

# shellcheck shell=bash

# The lines of the README's code blocks that begin with this fence.
blocks() { # FENCE
  awk -v fence="\`\`\`$1" '/^```/ { inside = $0 == fence; next } inside' "$ROOT/README.md"
}

# What differs from run to run.
normalized() { # FILE
  sed -E "s/[0-9a-f]{24}/ID/g; s/'_data': '[0-9A-F]+'/TOKEN/; s/(failure for )[0-9]+/\\1N/" "$1"
}

# Prints the first line of the transcript that the program did not say, or not in this order; … is any lines.
unsaid() { # TRANSCRIPT OUTPUT
  awk '
    NR == FNR { if ($0 != "…") wanted[++n] = $0; next }
    at < n && $0 == wanted[at + 1] { at++ }
    END { if (at < n) print wanted[at + 1] }' <(normalized "$1") <(normalized "$2")
}

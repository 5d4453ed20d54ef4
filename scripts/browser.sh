#!/usr/bin/env bash
# Checks the types of the explorer's pages (crates/allcnn-serve/pages) and tests them in Chromium against the program, with Node's
# test runner and playwright-core, which it installs below target/browser. Screenshots of the pages are left there. Chromium is
# installed with apt-get where it is missing. Where something cannot be had, it says so and ends with 0.
#
# usage: scripts/browser.sh        ALLCNN=PROGRAM takes a program that is built, CHROMIUM=PROGRAM another browser
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "browser: SKIPPED: $1" >&2
    exit 0
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

command -v npm >/dev/null || skip "no npm"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 15) ? 0 : 1)' 2>/dev/null ||
    skip "no Node.js 20.15 or later"
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
    command -v apt-get >/dev/null || skip "no Chromium, and no apt-get to install it with"
    { as_root apt-get update && as_root apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 ||
        skip "apt-get cannot install Chromium"
fi

sources=crates/allcnn-serve/tests/browser
work=target/browser
mkdir -p "$work"
# The modules are installed beside the tests' copy: nothing is written where the sources are.
cp "$sources"/*.mjs "$sources"/package.json "$sources"/package-lock.json "$work"
(cd "$work" && npm ci --silent --no-audit --no-fund) || skip "npm cannot install playwright-core and typescript"

"$work/node_modules/.bin/tsc" -p "$sources/tsconfig.json"

export ALLCNN=${ALLCNN:-target/release/allcnn}
[ "$ALLCNN" != target/release/allcnn ] || cargo build --release --locked --quiet --workspace
ALLCNN=$(realpath "$ALLCNN")
export CHROMIUM=${CHROMIUM:-$(command -v chromium)} SCREENSHOTS="$work/screenshots"
pages() {
    node --test --test-timeout=900000 "$work"/*.test.mjs
}
# A browser on a machine that is busy with other things may not paint in time.
pages || { echo "browser: once more: does it fail again?" >&2 && pages; }

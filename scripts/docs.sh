#!/usr/bin/env bash
# Makes every picture of the docs again, and every figure in them that the embedded data gives: trains as
# docs/VISUALISATION.md says, writes docs/images/ and puts the test error into the text. What it writes is what is committed,
# from an x86-64 processor with AVX-512; another kind of processor rounds otherwise, so that pictures differ a little.
# A few minutes.
#
# usage: scripts/docs.sh [--check]     --check: only say whether the figures in the text are those that come out
set -euo pipefail
cd "$(dirname "$0")/.."

check=
case ${1-} in
'') ;;
--check) check=1 ;;
*)
    echo "usage: scripts/docs.sh [--check]" >&2
    exit 2
    ;;
esac

cargo build --release --locked --quiet -p allcnn-cli
allcnn=$(realpath "${CARGO_TARGET_DIR:-target}/release/allcnn")
text=docs/VISUALISATION.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$PWD
cd "$work"

# The commands of the section "How these pictures were made", as they stand there.
mapfile -t commands < <(sed -n '/^## How these pictures were made/,/^## /p' "$root/$text" | sed -n 's/^allcnn /allcnn /p')
[ ${#commands[@]} -gt 5 ] || {
    echo "docs: no commands in $text" >&2
    exit 1
}
allcnn() { "$allcnn" "$@"; }
for command in "${commands[@]}"; do
    command=${command%%   *} # what stands behind it is for people
    echo "+ $command"
    eval "$command" >out 2>log || {
        cat log >&2
        exit 1
    }
    case $command in *" train "*) error=$(sed -n 's/^test error  \([0-9.]*\) %.*/\1/p' out) ;; esac
done

wanted="the embedded data, $error % test error"
if [ -n "$check" ]; then
    grep -qF "$wanted" "$root/$text" || {
        echo "docs: $text does not say '$wanted'" >&2
        exit 1
    }
    exit 0
fi
sed -i "s/the embedded data, [0-9.]* % test error/$wanted/" "$root/$text"
for picture in *.png; do
    cp "$picture" "$root/docs/images/"
done
git -C "$root" --no-pager diff --stat -- docs

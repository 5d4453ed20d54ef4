#!/usr/bin/env bash
# Makes every picture of the docs again, and the figures in their text that take minutes: trains as docs/VISUALISATION.md says,
# writes docs/images/, and has scripts/docs/figures.py put its figures into the text. What it writes is what is committed, from
# an x86-64 processor with AVX-512; another kind of processor rounds otherwise, so that pictures and errors differ a little.
# Figures of CIFAR-10's images need them (ALLCNN_SHARED_DATA, default ../shared/data) and are skipped, visibly, without.
# About 15 minutes on two cores.
#
# usage: scripts/docs.sh [--check]     --check: only say whether the figures in the text are those that come out
#
# What it does not make, because it takes hours, another machine or another program:
#   README.md, bench/README.md: speeds               bench/peers.py, bench/decode.py, bench/many_files.py (bench/README.md)
#   docs/REPRODUCTION.md: both tables of errors       the two `allcnn reproduce table3` that stand above them: hours
#   docs/REPRODUCTION.md: seven of twelve, Large All-CNN   the same with --limit 4000 --epochs 3 --learning-rates 0.05, and the
#                                                     `allcnn reproduce table4` that stands there
#   docs/DATA.md: copies that are found               cargo test --release -p allcnn-data --test near -- --nocapture
#   docs/DATA.md: seconds and gigabytes               /usr/bin/time -v before the commands that stand there
#   docs/FEATURES.md: AlexNet on 100 photographs      torchvision's answers beside `allcnn predict`, on ImageNet's photographs
#   docs/TABLE4.md, docs/REPRODUCTION.md: the literature's errors     are the literature's
#   CONTRIBUTING.md: minutes of the scripts           bash's `time` before each
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
    "$root/scripts/docs/figures.py" "$allcnn" --check
    exit 0
fi
sed -i "s/the embedded data, [0-9.]* % test error/$wanted/" "$root/$text"
for picture in *.png; do
    cp "$picture" "$root/docs/images/"
done
"$root/scripts/docs/figures.py" "$allcnn"
git -C "$root" --no-pager diff --stat -- docs

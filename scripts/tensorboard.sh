#!/usr/bin/env bash
# Trains a small network twice as long by resuming it, with --tensorboard, and reads the event file with the Python package
# tensorboard, which it installs into an environment of its own. Where that cannot be had, it says so and ends with 0.
#
# usage: scripts/tensorboard.sh        ALLCNN=PROGRAM takes a program that is built
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "tensorboard: SKIPPED: $1" >&2
    exit 0
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" >/dev/null 2>&1 || skip "no python3 with venv"
timeout 300 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "tensorboard==2.21.*" >/dev/null 2>&1 ||
    skip "pip cannot install tensorboard"

allcnn=${ALLCNN:-target/release/allcnn}
[ -n "${ALLCNN:-}" ] || cargo build --release --locked --quiet --workspace
cat >"$folder/tiny.toml" <<'NETWORK'
name = "tiny"
input = [32, 32, 3]
layers = [
  { conv = 8, kernel = 3, stride = 4 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
NETWORK
"$allcnn" train --model "$folder/tiny.toml" --data shapes --limit 500 --epochs 2 --tensorboard --quiet --out "$folder/run" >/dev/null
"$allcnn" train --resume "$folder/run" --epochs 4 --quiet >/dev/null
"$folder/venv/bin/python" scripts/check_curves.py "$folder/run"

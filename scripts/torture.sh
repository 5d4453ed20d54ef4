#!/usr/bin/env bash
# Kills, stops and races the program at random for so many minutes: trainings, sweeps that several processes share, and
# downloads. Nothing may be lost: what is gone on with has to end as what was never disturbed, to the bit. The seed chooses
# the actions (their moments depend on the machine); it is printed. Ends with a table, and with 1 where something broke: then
# the folder is kept. Needs Python 3.11 or later and Linux. Disks are full where a small one can be mounted, as the superuser.
#
# usage: scripts/torture.sh MINUTES [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: scripts/torture.sh MINUTES [SEED]" >&2
    exit 2
fi
if ! python3 -c 'import sys; sys.exit(sys.platform != "linux" or sys.version_info < (3, 11))' 2>/dev/null; then
    echo "torture: SKIPPED: needs Linux and Python 3.11 or later" >&2
    exit 0
fi
cargo build --release --locked -p allcnn-cli
exec python3 -B scripts/torture "${CARGO_TARGET_DIR:-target}/release/allcnn" "$@"

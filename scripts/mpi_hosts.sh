#!/usr/bin/env bash
# Trains over several hosts: network namespaces of this machine, joined by a switch of the tests' own that delays and drops frames
# and cuts links. Whatever the network does, weights are those of one process to the bit, or all processes end within a minute and
# any number goes on. Needs root, Linux with network namespaces and TAP devices, Python 3.9, Open MPI (`scripts/mpi.sh`).
#
# usage: scripts/mpi_hosts.sh [KILLS]      KILLS: random kills, each followed by another number of processes [20]
#        scripts/mpi_hosts.sh --measure    seconds of a step by delay and number of hosts, as JSON
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "mpi hosts: SKIPPED: $1" >&2
    exit 0
}

[ "$(id -u)" -eq 0 ] || skip "needs root, for network namespaces"
[ -c /dev/net/tun ] || skip "no TAP devices here"
command -v mpirun.openmpi >/dev/null || skip "no Open MPI: scripts/mpi.sh installs it"
if [ -z "${ALLCNN:-}" ]; then
    MPICC=mpicc.openmpi cargo build --release --locked --workspace --features allcnn-cli/mpi
    ALLCNN=$PWD/target/release/allcnn
fi
exec python3 -B scripts/mpi_hosts "$ALLCNN" "$@"

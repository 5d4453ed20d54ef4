#!/usr/bin/env bash
# Trains whole networks for a few steps by 1, 2, 4 and 8 processes in 8 shards, in both precisions, and compares every file of the
# runs: weights, figures, mistakes and reports, times aside. Ends with 1 where one differs.
#
# usage: ALLCNN=PROGRAM scripts/mpi_same.sh [NETWORK]...     a program built with the feature `mpi`; all-cnn-c, model-c and
#        fractional where no network is named
set -euo pipefail
program=$(realpath "${ALLCNN:?ALLCNN is not set: give a program built with the feature mpi}")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
[ $# -gt 0 ] || set -- all-cnn-c model-c fractional
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# The files of a run without what is of time.
timeless() {
    (cd "$1" && sha256sum -- *.safetensors *.txt *.bin mistakes.csv)
    cut -d, -f1-6 "$1/metrics.csv"
    sed 's/></>\n</g' "$1/report.html" | grep -vE ' s</dd>|images/s</dd>|seconds|images/s'
}

for network in "$@"; do
    for precision in f32 bf16; do
        for processes in 1 2 4 8; do
            run=$network-$precision-$processes
            "${MPIRUN:-mpirun}" -n "$processes" "$program" train --model "$network" --data shapes --limit 160 --batch 64 --shards 8 --epochs 2 \
                --precision "$precision" --threads 1 --quiet --out "$run" >/dev/null 2>&1
            timeless "$run" >"$run.files"
            sed -i "s/$run/RUN/g" "$run.files"
            cmp "$run.files" "$network-$precision-1.files"
        done
        echo "$network, $precision: 1, 2, 4 and 8 processes leave the same files"
    done
done

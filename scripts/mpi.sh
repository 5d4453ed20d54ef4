#!/usr/bin/env bash
# Tests trainings by several processes with Open MPI, MPICH or both, whose packages (and libclang, which reads their header) it
# installs where apt-get is there. Where they cannot be had, it says so and ends with 0.
#
# usage: scripts/mpi.sh [openmpi|mpich]...      Open MPI where none is named
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "mpi: SKIPPED: $1" >&2
    exit 0
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# have COMMAND PACKAGE...: installs the packages where the command is missing.
have() {
    local command=$1
    shift
    command -v "$command" >/dev/null && [ -n "$(ls /usr/lib/llvm-*/lib/libclang*.so* 2>/dev/null)" ] && return
    command -v apt-get >/dev/null || skip "no $command, and no apt-get to install $* with"
    as_root apt-get update -qq || skip "the package lists cannot be had"
    as_root apt-get install -y -qq --no-install-recommends "$@" libclang-dev >/dev/null || skip "this system has no $*"
}

for implementation in "${@:-openmpi}"; do
    case $implementation in
    openmpi) have mpirun.openmpi openmpi-bin libopenmpi-dev ;;
    mpich) have mpirun.mpich mpich libmpich-dev ;;
    *)
        echo "mpi: unknown '$implementation'; expected openmpi or mpich" >&2
        exit 2
        ;;
    esac
    started=$SECONDS
    # The bindings are of one library, and cargo does not see that another one is asked for.
    if [ "$(cat target/mpi-implementation 2>/dev/null)" != "$implementation" ]; then
        cargo clean --release --quiet -p mpi-sys
        mkdir -p target && echo "$implementation" >target/mpi-implementation
    fi
    export MPICC="mpicc.$implementation" MPIRUN="mpirun.$implementation"
    cargo clippy --release --locked --workspace --features allcnn-cli/mpi -- -D warnings
    cargo test --release --workspace --locked --features allcnn-cli/mpi --test cli -- --test-threads=1 mpi::
    cargo test --release --locked --quiet -p allcnn-mpi --features mpi --lib
    echo "mpi: $implementation took $((SECONDS - started)) s" >&2
done

#!/usr/bin/env bash
# Runs on an emulated 64-bit ARM (aarch64) what can go wrong there: every kernel against the reference, whole networks
# against PyTorch, a training on each instruction set, and the program's own tests. Needs Debian's packages, which it
# installs: Rust with a standard library for ARM of the same version, a linker, an emulator. Where they cannot be had, it
# says so and ends with 0.
#
# usage: scripts/arm.sh [kernels|networks|program]...      all three where none is named
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=aarch64-unknown-linux-gnu
# Convolutions of more multiply-adds are left to whole networks: emulated, they would take most of an hour.
export ALLCNN_CONFORMANCE_MOST=200000

skip() {
    echo "arm: SKIPPED: $1" >&2
    exit 0
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    local packages=(rustc-web cargo-web gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
    [ "$(uname -m)" = x86_64 ] || skip "the emulated machine is for x86-64, this is $(uname -m)"
    command -v apt-get >/dev/null || skip "no apt-get to install the ARM compiler and emulator with"
    if ! dpkg -s "${packages[@]}" >/dev/null 2>&1 || [ ! -d "/usr/lib/rustlib/$TARGET" ]; then
        as_root dpkg --add-architecture arm64
        as_root apt-get update -qq || skip "the package lists cannot be had"
        as_root apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
            skip "this system has no ${packages[*]}"
        install_library
    fi
}

# The standard library for ARM belongs to a package of the other architecture, whose dependencies are not wanted.
install_library() {
    local folder
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq "libstd-rust-web-dev:arm64=$(dpkg-query -W -f '${Version}' rustc-web)") ||
        skip "there is no libstd-rust-web-dev for arm64"
    dpkg -x "$folder"/*.deb "$folder"
    as_root cp -r "$folder/usr/lib/rustlib/$TARGET" /usr/lib/rustlib/
    rm -r "$folder"
}

# Debian's own cargo and compiler: a standard library of another version would not fit.
arm_tests() {
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO_TARGET_DIR=target/arm \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
        /usr/bin/cargo test --release --locked --target "$TARGET" "$@"
}

install_packages
for part in "${@:-kernels networks program}"; do
    for part in $part; do
        started=$SECONDS
        case $part in
        kernels) arm_tests -p allcnn-cpu -- --nocapture ;;
        # The reference device is the same plain code everywhere.
        networks) arm_tests -p allcnn --test values -- the_cpu_device ;;
        program)
            # What ends in minutes when emulated: the training of every instruction set, data, bad input.
            arm_tests -p allcnn-cli --test cli -- isa:: data:: bad_input::
            ;;
        *)
            echo "arm: unknown part '$part'; expected kernels, networks or program" >&2
            exit 2
            ;;
        esac
        echo "arm: $part took $((SECONDS - started)) s"
    done
done

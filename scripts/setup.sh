#!/usr/bin/env bash
# Installs what building allcnn needs and this machine lacks: a C compiler (for the compression and TLS libraries)
# and Rust. Debian and Ubuntu packages where apt-get is there, rustup for Rust. Does nothing where both are present.
set -euo pipefail

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

if ! command -v cc >/dev/null || ! command -v curl >/dev/null; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: no C compiler or no curl, and no apt-get to install them with: install both, then run this again" >&2
        exit 1
    fi
    as_root apt-get update
    as_root apt-get install -y --no-install-recommends build-essential ca-certificates curl
fi

export PATH="$HOME/.cargo/bin:$PATH"
if ! command -v cargo >/dev/null; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --component clippy,rustfmt
    echo "setup: Rust is installed; open a new shell, or run: . \"\$HOME/.cargo/env\"" >&2
fi

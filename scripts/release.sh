#!/usr/bin/env bash
# Makes what a release hands out, into a folder: wheels for x86-64 (glibc 2.17, manylinux2014) and aarch64, an archive with the
# static program, its manual and completions for x86-64, a list of what is in them (SBOM, CycloneDX), the changelog of the
# version, and checksums of all of it. Needs Python with venv and rustup; the compilers for other systems come from PyPI (zig).
#
# usage: scripts/release.sh OUT
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: scripts/release.sh OUT" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'maturin>=1.9,<2' ziglang cargo-zigbuild
export PATH="$work/venv/bin:$PATH"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/release-build}"
rustup target add x86_64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-gnu
# No path of this machine is in what leaves it.
export RUSTFLAGS="--remap-path-prefix=$PWD=allcnn --remap-path-prefix=$HOME/.cargo/registry/src=crates"
RUSTFLAGS+=" --remap-path-prefix=$(rustc --print sysroot)=rust"

for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do
    maturin build --profile dist --locked --zig --target "$target" --compatibility manylinux2014 \
        --manifest-path crates/allcnn-python/Cargo.toml --out "$out"
done

static=x86_64-unknown-linux-musl
cargo zigbuild --profile dist --locked --target "$static" -p allcnn-cli
name="allcnn-$version-$static"
mkdir -p "$work/$name/completions" "$work/$name/man"
program="$CARGO_TARGET_DIR/$static/dist/allcnn"
install "$program" "$work/$name/allcnn"
for shell in bash zsh fish elvish powershell; do
    "$program" completions "$shell" >"$work/$name/completions/allcnn.$shell"
done
"$program" man "$work/$name/man" >/dev/null
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/$name"
tar -C "$work" --sort=name --owner=0 --group=0 --mtime=@0 -czf "$out/$name.tar.gz" "$name"

command -v cargo-cyclonedx >/dev/null || cargo install cargo-cyclonedx --locked --quiet
cargo cyclonedx --manifest-path crates/allcnn-cli/Cargo.toml --format json --override-filename sbom
sed "s|$PWD|/allcnn|g" crates/allcnn-cli/sbom.json >"$out/allcnn-$version.cdx.json" # it names our crates by their folders
find crates tools -name sbom.json -delete

# The part of the changelog that is this version's.
awk -v version="$version" '/^## \[/ { mine = index($0, "[" version "]") } mine' CHANGELOG.md >"$out/CHANGELOG-$version.md"
[ -s "$out/CHANGELOG-$version.md" ] || { echo "release: CHANGELOG.md has no section [$version]" >&2; exit 1; }

(cd "$out" && sha256sum -- *"$version"* >SHA256SUMS)
ls -l "$out" >&2

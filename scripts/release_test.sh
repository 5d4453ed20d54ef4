#!/usr/bin/env bash
# Installs what scripts/release.sh made on bare systems and uses it: the wheel for x86-64 in an old Debian with Python and pip alone
# (how long until the first answer?), the wheel for ARM in the same of that architecture, emulated, the static program in an empty
# folder as root of the file system. Looks into every file for the name of this user and for folders of this machine.
# Needs root and a Debian or Ubuntu with network; installs debootstrap and qemu-user-static.
#
# usage: scripts/release_test.sh OUT [whole|no_paths|static_program|x86_wheel|arm_wheel]...
#        OUT: as for release.sh; all parts where none is named
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: scripts/release_test.sh OUT [PART]..." >&2; exit 2; }
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "release test: needs root, for chroot" >&2; exit 1; }

DEBIAN=bullseye # glibc 2.31, Python 3.9, pip 20
PYTHON=3.9
work=$(mktemp -d)
trap 'umount "$work"/*/proc 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

# The file of the release whose name has the pattern's form.
made() {
    local found=("$out"/$1)
    [ -f "${found[0]}" ] || { echo "release test: no $1 in $out" >&2; exit 1; }
    echo "${found[0]}"
}

# say WHAT SINCE: what was done in how many seconds since the time SINCE.
say() {
    awk -v what="$1" -v since="$2" -v now="$(date +%s.%N)" 'BEGIN { printf "release test: %s: %.1f s\n", what, now - since }' >&2
}

whole() {
    (cd "$out" && sha256sum --check --quiet SHA256SUMS)
    ls -l "$out" | awk 'NR > 1 { print "release test: " $5 " bytes, " $9 }' >&2
}

# Nothing that leaves says where it was built or by whom.
no_paths() {
    mkdir "$work/looked"
    for wheel in "$out"/*.whl; do python3 -m zipfile -e "$wheel" "$work/looked/$(basename "$wheel")"; done
    tar -xzf "$(made '*.tar.gz')" -C "$work/looked"
    cp "$out"/*.json "$out"/*.md "$work/looked"
    # A list of parts names our crates by their folders, wherever it was made.
    if grep -rlaE -e "$PWD|$HOME/|/home/|path\+file:///([^a]|a[^l])" "$work/looked"; then
        echo "release test: the files above name a folder of the machine that made them" >&2
        return 1
    fi
}

# A picture that needs nothing to be drawn, a red disc on blue, and a network that is trained in a moment, emulated too.
picture() {
    printf '%s\n' 'name = "tiny"' 'input = [32, 32, 3]' 'layers = [' '  { conv = 8, kernel = 3, stride = 4 },' \
        '  { conv = "classes", kernel = 1 },' '  { global_average = true },' ']' >"$1/tiny.toml"
    python3 - "$1/picture.ppm" <<'PYTHON'
import sys
disc = b"".join(bytes([200, 30, 30] if (x - 16) ** 2 + (y - 16) ** 2 < 100 else [20, 30, 160]) for y in range(32) for x in range(32))
open(sys.argv[1], "wb").write(b"P6 32 32 255\n" + disc)
PYTHON
}

# use FOLDER PROGRAM...: what a user does first, with the picture in FOLDER: an answer with its map, a training, an answer of it.
use() {
    local folder=$1
    shift
    "$@" explain demo "$folder/picture.ppm" --out "$folder/map.png"
    "$@" train --data shapes --model "$folder/tiny.toml" --iterations 4 --quiet --out "$folder/run"
    "$@" predict "$folder/run" "$folder/picture.ppm"
}

static_program() {
    local root=$work/static
    mkdir -p "$root/tmp"
    tar -xzf "$(made '*-musl.tar.gz')" -C "$root" --strip-components 1
    ls "$root/man/allcnn.1" "$root/completions/allcnn.bash" >/dev/null
    picture "$root"
    use "" chroot "$root" /allcnn
}

x86_wheel() {
    local root=$work/x86 started
    debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates "$DEBIAN" "$root" >/dev/null
    # The network as here.
    cp /etc/resolv.conf "$root/etc/"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    mount -t proc proc "$root/proc"
    cp "$(made '*x86_64.whl')" "$root/tmp/"
    picture "$root"
    started=$(date +%s.%N)
    chroot "$root" sh -c 'pip3 install --quiet /tmp/*.whl'
    say "pip install" "$started"
    chroot "$root" allcnn explain demo /picture.ppm --out /map.png
    say "pip install and the first answer" "$started"
    use "" chroot "$root" allcnn
    cp crates/allcnn-python/tests/{pictures,test_module}.py "$root/tmp/"
    chroot "$root" sh -c 'cd /tmp && python3 -m unittest test_module'
}

# The interpreter from Debian's package and the wheels that pip chooses for it, without installing: nothing has to run for that.
arm_wheel() {
    local root=$work/arm package
    debootstrap --foreign --arch=arm64 --variant=minbase --include=python3 "$DEBIAN" "$root" >/dev/null
    for package in "$root"/var/cache/apt/archives/*.deb; do dpkg -x "$package" "$root"; done
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --target "$root/site" --platform manylinux2014_aarch64 --python-version "$PYTHON" \
        --only-binary=:all: "$(made '*aarch64.whl')"
    picture "$work"
    use "$work" qemu-aarch64-static -L "$root" -E "PYTHONPATH=$root/site" "$root/usr/bin/python$PYTHON" -m allcnn
}

command -v debootstrap >/dev/null && command -v qemu-aarch64-static >/dev/null ||
    apt-get install -y -qq --no-install-recommends debootstrap qemu-user-static >/dev/null
parts=("$@")
[ $# -gt 0 ] || parts=(whole no_paths static_program x86_wheel arm_wheel)
for part in "${parts[@]}"; do
    started=$(date +%s.%N)
    "$part"
    say "$part" "$started"
done

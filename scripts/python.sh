#!/usr/bin/env bash
# Builds the Python module and tests it: in an environment with numpy alone, the examples of docs/PYTHON.md as well, then with
# scikit-learn, joblib and mypy's stubtest, with `torch` as argument beside PyTorch, too.
# Says so and ends where Python or its packages cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "python: SKIPPED: $1" >&2
    exit 0
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/build" 2>"$work/said" || skip "no Python with venv ($(head -1 "$work/said"))"
timeout 300 "$work/build/bin/pip" install --quiet 'maturin>=1.9,<2' || skip "maturin cannot be had"
"$work/build/bin/maturin" build --release --locked --quiet --manifest-path crates/allcnn-python/Cargo.toml \
    --compatibility linux --out "$work/wheels" --target-dir target
echo "python: $(basename "$work"/wheels/*.whl), $(stat -c %s "$work"/wheels/*.whl) bytes" >&2

python3 -m venv "$work/numpy"
timeout 300 "$work/numpy/bin/pip" install --quiet "$work"/wheels/*.whl || skip "numpy cannot be had"
for part in module docs; do
    "$work/numpy/bin/python" -m unittest discover -s crates/allcnn-python/tests -p "test_$part.py"
done

timeout 600 "$work/numpy/bin/pip" install --quiet scikit-learn joblib mypy || skip "scikit-learn, joblib or mypy cannot be had"
"$work/numpy/bin/python" -m unittest discover -s crates/allcnn-python/tests -p 'test_sklearn.py'
"$work/numpy/bin/python" -m mypy.stubtest allcnn._allcnn # the module with a stub; _torch can be imported beside PyTorch alone

if [ "${1:-}" = torch ]; then
    timeout 1500 "$work/numpy/bin/pip" install --quiet torch --index-url https://download.pytorch.org/whl/cpu ||
        timeout 1500 "$work/numpy/bin/pip" install --quiet torch || skip "PyTorch cannot be had"
    "$work/numpy/bin/python" -m unittest discover -s crates/allcnn-python/tests -p 'test_torch.py'
fi

#!/usr/bin/env bash
# Everything that needs a GPU, on a machine with an NVIDIA driver and a Python that has PyTorch: nothing is built here
# (scripts/gpu_pack.sh does that elsewhere). Results go to OUT (default: ./gpu-results).
#
#   scripts/gpu_checks.sh check    the device's tests                                   about 3 minutes
#   scripts/gpu_checks.sh bench    allcnn alone, then beside PyTorch in the same run    about 7 minutes
#   scripts/gpu_checks.sh pace     a few epochs of training, bf16 and f32, flip-shift: images a second with everything
#                                  that a training does (images kept on the GPU, losses read late)
#   scripts/gpu_checks.sh train    trains until TIME (default 8m), or goes on with OUT/run; CHECKPOINT brings a
#                                  last run folder along
#
# The environment: PYTHON (python3), DATA (an archive of images; the embedded set without), TIME, OUT, CHECKPOINT, and
# ALLCNN_CUDA_LIBS (the packages of PYTHON).
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
pack=$repository/target/gpu
python=${PYTHON:-python3}
out=${OUT:-$repository/gpu-results}
mkdir -p "$out"
export ALLCNN_CUDA_LIBS=${ALLCNN_CUDA_LIBS:-$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')}
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$out/cache}
echo "libraries from $ALLCNN_CUDA_LIBS"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/gpu.txt"
"$python" -c 'import torch; print("torch", torch.__version__, "cuDNN", torch.backends.cudnn.version())' | tee -a "$out/gpu.txt"

check() {
    # The tests look for fixtures where they were built.
    local built_in
    built_in=$(cat "$pack/built-in")
    if [ ! -e "$built_in" ]; then
        mkdir -p "$(dirname "$built_in")"
        ln -s "$repository" "$built_in"
    fi
    local failed=0
    (cd "$built_in/crates/allcnn-cuda" && "$pack/unit-tests" --nocapture) 2>&1 | tee "$out/unit-tests.txt" || failed=1
    (cd "$built_in/crates/allcnn-cuda" && "$pack/device-tests" --nocapture --test-threads=1) 2>&1 |
        tee "$out/device-tests.txt" || failed=1
    if grep -q SKIPPED "$out/device-tests.txt"; then
        echo "gpu_checks: a test was skipped" >&2
        failed=1
    fi
    return $failed
}

bench() {
    for precision in bf16 f32; do
        "$pack/allcnn" bench --device cuda --precision $precision --batch 128 --repeat 200 --layers --verbose |
            tee "$out/bench-$precision.txt"
    done
    "$python" bench/peers.py --device cuda --peers pytorch --allcnn "$pack/allcnn" --json "$out/peers-cuda.json" \
        --works 'cuda-train-all-cnn-c*,cuda-infer-*' --rounds "${ROUNDS:-5}" | tee "$out/peers-cuda.txt"
}

pace() {
    local precision run
    for precision in bf16 f32; do
        run=$out/pace-$precision
        rm -rf "$run"
        "$pack/allcnn" train --device cuda --model all-cnn-c --recipe paper --precision $precision \
            --augment flip-shift ${DATA:+--data "$DATA" --holdout 500} --epochs "${PACE_EPOCHS:-5}" --out "$run"
        cat "$run/metrics.csv"
    done | tee "$out/pace.txt"
}

train() {
    local run=$out/run arguments=(--device cuda --time-limit "${TIME:-8m}" --json)
    if [ -n "${CHECKPOINT:-}" ] && [ ! -e "$run" ]; then cp -r "$CHECKPOINT" "$run"; fi
    if [ -e "$run" ]; then
        "$pack/allcnn" train --resume "$run" "${arguments[@]}"
    else
        "$pack/allcnn" train --model all-cnn-c --recipe "${RECIPE:-paper}" --precision "${PRECISION:-bf16}" \
            --augment "${AUGMENT:-none}" ${DATA:+--data "$DATA" --holdout 500} --epochs "${EPOCHS:-350}" \
            --out "$run" "${arguments[@]}"
    fi | tee "$out/train.json"
}

case ${1:-} in
check | bench | pace | train) "$1" ;;
*)
    echo "gpu_checks: expected check, bench, pace or train" >&2
    exit 2
    ;;
esac

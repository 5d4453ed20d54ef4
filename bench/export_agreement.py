"""Exported networks in onnxruntime beside the program: the largest difference of answers and maps.

For each kind of preprocessing, network and method: a network is trained for an epoch on a few images of the embedded data, exported
with `allcnn export --onnx`, checked by onnx.checker, and run by onnxruntime on the same pictures as `allcnn predict` and `allcnn
explain`, one at a time and five together. Ends with 1 if anything differs by more than the limits below.

    python3 -m venv ~/venv && ~/venv/bin/pip install numpy onnx onnxruntime
    ~/venv/bin/python bench/export_agreement.py [--few] [--networks NAMES] [--preprocess KINDS] [--json FILE]
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

PROGRAM = Path(__file__).resolve().parent.parent / "target/release/allcnn"
PICTURES = 5
METHODS = ["guided", "backprop", "deconvnet"]
PREPROCESSING = ["mean-std", "gcn-zca", "none"]
# Differences of probabilities, of the top logit relative to itself, and of a map relative to its norm. A value that is zero but for
# rounding may open another gate, which changes a map by what one of some ten thousand units sends.
LIMITS = {"probabilities": 1e-4, "logit": 1e-3, "map": 1e-2}
# Shares of a sum that is 0 but for rounding, and winners by as little, are large changes of a map.
LIMITS_OF_KINDS = LIMITS | {"map": 5e-2}

NETWORKS = {
    "all-cnn-c": None,
    "max-pools": """
  { conv = 24, kernel = 5, padding = 2 }, { pool = "max", kernel = 3, stride = 2, padding = 1, ceil = true },
  { conv = 24, kernel = 3 }, { pool = "max", kernel = 2, stride = 3, ceil = false },
  { conv = "classes", kernel = 1 }, { global_average = true },""",
    "strides-groups-leaky": """
  { conv = 24, kernel = 4, stride = 3, padding = 1, activation = "leaky:0.25" }, { conv = 24, kernel = 3, groups = 4, stride = 2 },
  { conv = 24, kernel = 1, dropout = 0.5 }, { conv = "classes", kernel = 1 }, { global_average = true },""",
    "maxout": """
  { conv = 32, kernel = 5, stride = 2 }, { maxout = 4 }, { conv = 24, kernel = 3, activation = "identity" }, { maxout = 2 },
  { conv = "classes", kernel = 1, activation = "identity" }, { global_average = true },""",
    "norm-pools": """
  { conv = 24, kernel = 3 }, { pool = "norm:2", kernel = 3, stride = 2 }, { conv = 24, kernel = 3 },
  { pool = "norm:3.5", kernel = 2, stride = 2, padding = 1 }, { conv = "classes", kernel = 1 }, { global_average = true },""",
    "kinds": """
  { conv = 24, kernel = 5, stride = 2, activation = "identity" }, { lwta = 4 }, { probout = 2, lambda = 3.0 }, { conv = 24, kernel = 3, activation = "identity" },
  { lwta = 2 }, { conv = 24, kernel = 3 }, { pool = "stochastic", kernel = 3, stride = 2, padding = 1 },
  { conv = 24, kernel = 3 }, { pool = "learned-norm", kernel = 3, stride = 2, padding = 1 }, { conv = "classes", kernel = 1, activation = "identity" }, { global_average = true },""",
    "unshared": """
  { conv = 16, kernel = 5, stride = 4 }, { local = 8, kernel = 3, stride = 2, activation = "leaky:0.25" }, { local = 8, kernel = 3 },
  { conv = 24, kernel = 4, padding = "valid", drop_connect = 0.5 }, { conv = "classes", kernel = 1, activation = "identity" },""",
    "lrn-average-pools": """
  { conv = 24, kernel = 5 }, { lrn = 5, alpha = 0.1, beta = 0.75, k = 1 }, { pool = "average", kernel = 3, stride = 2, padding = 1 },
  { conv = 24, kernel = 3 }, { pool = "average", kernel = 3, stride = 2, ceil = false },
  { conv = "classes", kernel = 1 }, { global_average = true },""",
}
FEW = ["max-pools", "strides-groups-leaky", "unshared"]


def program(arguments, folder):
    """What the program prints as JSON."""
    command = [str(PROGRAM), *arguments, "--json", "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def pictures(folder):
    """Colored waves with noise, as files and as pixels."""
    random = np.random.default_rng(0)
    row, column = np.mgrid[0:32, 0:32]
    made = []
    for number in range(PICTURES):
        waves = [128 + 70 * np.sin(row * a + column * b + c) for a, b, c in random.uniform(0.1, 0.8, (3, 3))]
        pixels = np.clip(np.stack(waves, -1) + random.normal(0, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
        (folder / f"{number}.ppm").write_bytes(b"P6 32 32 255\n" + pixels.tobytes())
        made.append(pixels)
    return np.stack(made)


def train(folder, name, preprocessing):
    """A run of the network, of one epoch."""
    model = name
    if NETWORKS[name]:
        model = f"{name}.toml"
        (folder / model).write_text(f'name = "{name}"\ninput = [32, 32, 3]\nlayers = [{NETWORKS[name]}\n]\n')
    run = f"{name}-{preprocessing}"
    few = ["--limit", "200", "--batch", "20", "--epochs", "1"]
    program(["train", "--model", model, "--preprocess", preprocessing, *few, "--out", run], folder)
    return run


def in_batches(session, pixels, classes, size):
    """What onnxruntime says of the pictures, `size` at a time."""
    given = [{"image": pixels[at : at + size]} for at in range(0, len(pixels), size)]
    if classes is not None:
        for at, inputs in enumerate(given):
            inputs["class"] = classes[at * size : (at + 1) * size]
    names = ["logits", "probabilities", "explanation"]
    parts = [session.run(names, inputs) for inputs in given]
    return dict(zip(names, (np.concatenate(part) for part in zip(*parts))))


def compare(folder, run, method, target, pixels):
    """The differences of one exported file at batch 1 and 5."""
    files = [f"{number}.ppm" for number in range(PICTURES)]
    program(["export", run, "--onnx", "m.onnx", "--explain", method, "--target", target], folder)
    onnx.checker.check_model(str(folder / "m.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(str(folder / "m.onnx"), providers=["CPUExecutionProvider"])
    names = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    said = program(["predict", run, *files, "--top", str(len(names))], folder)
    own = np.zeros((PICTURES, len(names)))
    for row, answer in zip(own, said):
        for guess in answer["predictions"]:
            row[names.index(guess["class"])] = guess["probability"]
    unit = ["--unit", "1"] if target == "input" else []
    classes = np.full(PICTURES, 1) if target == "input" else None
    maps = ["--method", method, "--npy", "maps.npy", "--out", "sheet.png", *unit]
    explained = program(["explain", run, *files, *maps], folder)
    own_maps = np.load(folder / "maps.npy")
    own_logits = np.array([entry["activation"] for entry in explained])
    units = np.array([entry["unit"] for entry in explained])
    worst = dict.fromkeys(LIMITS, 0.0)
    for size in (1, PICTURES):
        answers = in_batches(session, pixels, classes, size)
        logits = answers["logits"][np.arange(PICTURES), units]
        norms = np.linalg.norm(own_maps.reshape(PICTURES, -1), axis=1)
        differences = np.linalg.norm((answers["explanation"] - own_maps).reshape(PICTURES, -1), axis=1)
        found = {
            "probabilities": np.abs(answers["probabilities"] - own).max(),
            "logit": (np.abs(logits - own_logits) / np.abs(answers["logits"]).max()).max(),
            "map": (differences / np.where(norms > 0, norms, 1)).max(),
        }
        worst = {name: max(worst[name], float(found[name])) for name in worst}
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help="three networks and one kind of preprocessing")
    parser.add_argument("--networks", metavar="NAMES", help="these networks, separated by commas")
    parser.add_argument("--preprocess", metavar="KINDS", help="these kinds of preprocessing, separated by commas")
    parser.add_argument("--allcnn", metavar="PROGRAM", help="the program [default: that of target/release]")
    parser.add_argument("--json", metavar="FILE", help="write every figure to FILE")
    arguments = parser.parse_args()
    networks = FEW if arguments.few else list(NETWORKS)
    networks = arguments.networks.split(",") if arguments.networks else networks
    kinds = PREPROCESSING[:1] if arguments.few else PREPROCESSING
    kinds = arguments.preprocess.split(",") if arguments.preprocess else kinds
    global PROGRAM
    PROGRAM = Path(arguments.allcnn).resolve() if arguments.allcnn else PROGRAM
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pixels = pictures(folder)
        for preprocessing in kinds:
            for name in networks:
                run = train(folder, name, preprocessing)
                for method in METHODS:
                    target = "input" if method == "backprop" else "top"
                    worst = compare(folder, run, method, target, pixels)
                    rows.append({"preprocess": preprocessing, "network": name, "method": method, **worst})
                    limits = LIMITS_OF_KINDS if name == "kinds" else LIMITS
                    failed |= any(not worst[what] <= limit for what, limit in limits.items())
                    figures = "  ".join(f"{what} {value:.1e}" for what, value in worst.items())
                    print(f"{preprocessing:9} {name:21} {method:10} {figures}", flush=True)
    largest = {what: max(row[what] for row in rows) for what in LIMITS}
    print("largest:  " + "  ".join(f"{what} {value:.1e} (limit {LIMITS[what]:.0e})" for what, value in largest.items()))
    if arguments.json:
        about = {
            "machine": platform.processor() or platform.machine(),
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }
        Path(arguments.json).write_text(json.dumps({**about, "largest": largest, "rows": rows}, indent=1) + "\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Speed of the Python module beside the program, and of an exported network in onnxruntime beside the module.

usage: VENV/bin/python bench/python_speed.py [--rounds 5] [--images 2000] [--json FILE]

The environment needs the wheel (which brings the program), onnxruntime and numpy. Trains All-CNN-C on the embedded data by `allcnn
train`, by `allcnn.train` and by `Classifier.fit` with the same pictures as arrays; then answers and explains pictures given as
uint8 arrays, preprocessing included, by the module and by the exported network. All take turns; a figure is the median of the
rounds, in images/s.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

import allcnn

EPOCHS = 2


def command(*arguments):
    subprocess.run([sys.executable, "-m", "allcnn", *map(str, arguments)], check=True, capture_output=True)


def trained_by_command(folder, data):
    command("train", "--data", data, "--holdout", "none", "--epochs", EPOCHS, "--quiet", "--out", folder)
    return allcnn.load(folder).history_


def trained_by_module(folder, data):
    return allcnn.train(data=data, out=folder, holdout="none", epochs=EPOCHS).history_


def trained_by_classifier(folder, data):
    arrays = np.load(data)
    return allcnn.Classifier(epochs=EPOCHS, out=folder).fit(arrays["x_train"], arrays["y_train"]).history_


def pictures(count):
    """Random pictures of ten classes: what they show has no influence on the time."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 10


def seconds(work):
    """The time of a call, after one that warms up."""
    work()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def inference(run, folder):
    """What answers and explains, by name: the work, and how many pictures it does."""
    run.export_onnx(f"{folder}/plain.onnx")
    run.export_onnx(f"{folder}/guided.onnx", explain="guided")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    plain, guided = (
        onnxruntime.InferenceSession(f"{folder}/{name}.onnx", options, providers=["CPUExecutionProvider"]) for name in ["plain", "guided"]
    )
    many, one = pictures(512)[0], pictures(100)[0]
    batches = [many[at : at + 128] for at in range(0, len(many), 128)]
    singles = [one[at : at + 1] for at in range(len(one))]

    def each(parts, call):
        return lambda: [call(part) for part in parts]

    return {
        "answers, 128 at a time, module": (each(batches, run.predict_proba), len(many)),
        "answers, 128 at a time, onnxruntime": (each(batches, lambda x: plain.run(["probabilities"], {"image": x})), len(many)),
        "answers, one at a time, module": (each(singles, run.predict_proba), len(one)),
        "answers, one at a time, onnxruntime": (each(singles, lambda x: plain.run(["probabilities"], {"image": x})), len(one)),
        "guided maps, 128 at a time, module": (each(batches, run.explain), len(many)),
        "guided maps, 128 at a time, onnxruntime": (each(batches, lambda x: guided.run(["explanation"], {"image": x})), len(many)),
        "guided maps, one at a time, module": (each(singles, run.explain), len(one)),
        "guided maps, one at a time, onnxruntime": (each(singles, lambda x: guided.run(["explanation"], {"image": x})), len(one)),
    }


def show(measured):
    print("| work | images/s |\n|---|---|")
    for name, values in measured.items():
        print(f"| {name} | {statistics.median(values):.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="[default: 5]")
    parser.add_argument("--images", type=int, default=2000, help="training images [default: 2000]")
    parser.add_argument("--json", type=Path, help="every measurement, into this file")
    given = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/pictures.npz"
        X, y = pictures(given.images)
        np.savez(data, x_train=X, y_train=y)
        ways = {"training, command": trained_by_command, "training, module": trained_by_module, "training, Classifier": trained_by_classifier}
        for number in range(given.rounds):
            for name, way in ways.items():
                history = way(f"{folder}/{name}-{number}".replace(" ", ""), data)
                measured.setdefault(name, []).append(history[-1]["images_per_s"])
        show(measured)
        run = allcnn.load(f"{folder}/training,command-0")
        works = inference(run, folder)
        for _ in range(given.rounds):
            for name, (work, count) in works.items():
                measured.setdefault(name, []).append(count / seconds(work))
    show(measured)
    if given.json:
        given.json.write_text(json.dumps({"onnxruntime": onnxruntime.__version__, "images_per_s": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()

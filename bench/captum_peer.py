#!/usr/bin/env python3
"""`allcnn explain` beside Captum: the three methods on All-CNN-C, on the same machine in interleaved rounds.

    cargo build --release && pip install torch captum
    python bench/captum_peer.py RUN IMAGE... [--rounds 5] [--threads N]

RUN is a run folder of all-cnn-c for 32x32 pictures and 10 classes. allcnn is measured as whole processes: start, reading
the run and the pictures, three methods, the PNG sheet. Captum has its network and (random) pictures in memory already
and computes the three maps of each picture from the logit of its most probable class, in batches of 64; the time of a
process with `import torch, captum` is not counted. Figures are medians over the rounds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers.networks import network
from peers.programs import REPOSITORY


def allcnn(arguments, images):
    with tempfile.TemporaryDirectory() as folder:
        command = [arguments.allcnn, "explain", arguments.run, *images, "--method", "all", "--quiet"]
        command += ["--out", f"{folder}/sheet.png"]
        if arguments.threads:
            command += ["--threads", str(arguments.threads)]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def captum(images, batch=64):
    import torch
    from captum.attr import Deconvolution, GuidedBackprop, Saliency

    # A module for each ReLU, no dropout: Captum's hooks need the former.
    model = network("all-cnn-c")[0].eval()
    methods = [(Saliency(model), {"abs": False}), (Deconvolution(model), {}), (GuidedBackprop(model), {})]
    pictures = torch.randn(images, 3, 32, 32)
    start = time.perf_counter()
    for pictures in pictures.split(batch):
        with torch.no_grad():
            classes = model(pictures).argmax(1)
        for method, options in methods:
            method.attribute(pictures.requires_grad_(), target=classes, **options)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--allcnn", default=str(REPOSITORY / "target/release/allcnn"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    import warnings

    import torch

    warnings.filterwarnings("ignore", message="Setting backward hooks|Input Tensor")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    missing = [image for image in arguments.images if not Path(image).is_file()]
    if missing:
        sys.exit(f"captum_peer.py: {missing[0]} is no file; expected pictures")
    for images in (arguments.images[:1], arguments.images):
        captum(len(images)), allcnn(arguments, images)  # warm up
        rounds = [(allcnn(arguments, images), captum(len(images))) for _ in range(arguments.rounds)]
        ours, theirs = (statistics.median(times) for times in zip(*rounds))
        print(
            f"{len(images):5} pictures, three methods: allcnn {1e3 * ours:.1f} ms as a process "
            f"({len(images) / ours:.0f} pictures/s), Captum {1e3 * theirs:.1f} ms ({len(images) / theirs:.0f} pictures/s), "
            f"ratio {theirs / ours:.2f}"
        )


if __name__ == "__main__":
    main()

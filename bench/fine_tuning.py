#!/usr/bin/env python3
"""Fine-tuning beside training from nothing: a network trained on five classes of CIFAR-10 learns the other five from a few pictures.

usage: fine_tuning.py PROGRAM CIFAR_TAR FOLDER [--pictures 50] [--seeds 3] [--epochs 12] [--threads N]

CIFAR_TAR is `cifar10-train-jpeg.tar.gz` (`train/CLASS/NNNN.jpg`). The first run is trained on images 1,001 to 4,000 of the first
five classes; the few pictures are images 101 onwards of the others, and errors are on the last 500 of each. Prints a table: error
of each seed, their mean, and the time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path

FROZEN = [None, "conv3", "conv6"]


def extract(tar, folder, pictures):
    """Writes the image folders `first` and `few`."""
    names = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            if member.isfile():
                names.setdefault(Path(member.name).parent.name, []).append(member)
        classes = sorted(names)
        for label, name in enumerate(classes):
            members = sorted(names[name], key=lambda member: member.name)
            splits = {("first", "train"): members[1000:4000], ("first", "test"): members[4500:]}
            if label >= 5:
                splits = {("few", "train"): members[100 : 100 + pictures], ("few", "test"): members[4500:]}
            for (data, split), chosen in splits.items():
                place = folder / data / split / name
                place.mkdir(parents=True, exist_ok=True)
                for member in chosen:
                    (place / Path(member.name).name).write_bytes(archive.extractfile(member).read())


def train(program, folder, out, flags):
    """The last error in percent and the seconds of a training."""
    begin = time.monotonic()
    command = [program, "train", "--out", str(folder / out), "--json", "--quiet", *flags]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return said["test_error_pct"], time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("tar")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", default="12")
    parser.add_argument("--few-epochs", help="epochs of the trainings on few pictures [default: the program's]")
    parser.add_argument("--threads")
    given = parser.parse_args()
    folder = given.folder
    common = ["--threads", given.threads] if given.threads else []
    if not (folder / "few").exists():
        extract(given.tar, folder, given.pictures)
    if not (folder / "source").exists():
        error, seconds = train(given.program, folder, "source", ["--data", str(folder / "first"), "--epochs", given.epochs, *common])
        print(f"five classes, 15,000 images, {given.epochs} epochs: {error:.2f} % in {seconds:.0f} s", file=sys.stderr)
    few = ["--data", str(folder / "few"), *common]
    if given.few_epochs:
        few += ["--epochs", given.few_epochs]
    ways = {"from nothing": []}
    for layer in FROZEN:
        begun = ["--from", str(folder / "source")]
        ways["fine-tuned" if layer is None else f"frozen up to {layer}"] = begun + (["--freeze", layer] if layer else [])
    ways["frozen up to conv6, `--augment none`"] = ["--from", str(folder / "source"), "--freeze", "conv6", "--augment", "none"]
    print(f"| {given.pictures} pictures of each of five other classes | errors in percent | mean | seconds |\n|---|---|---|---|")
    for number, (way, flags) in enumerate(ways.items()):
        runs = [train(given.program, folder, f"way{number}-{seed}", [*few, *flags, "--seed", str(seed)]) for seed in range(given.seeds)]
        errors = [error for error, _ in runs]
        each = ", ".join(f"{error:.1f}" for error in errors)
        seconds = statistics.median(seconds for _, seconds in runs)
        print(f"| {way} | {each} | {statistics.mean(errors):.1f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()

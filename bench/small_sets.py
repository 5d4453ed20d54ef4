#!/usr/bin/env python3
"""Errors on few images of CIFAR-10: the recipe quick beside the same with what small and uneven data needs.

usage: bench/small_sets.py PROGRAM ARCHIVE [--images 300,1000,3000] [--seeds 3] [--steps 1000] [--settings NAME,...]

ARCHIVE holds train/CLASS/NNNN.jpg of ten classes. A seed draws the training images from numbers 101 to 600 of each class, the same
for every setting, and seeds the training; the error after the last step is measured on numbers 601 to 1,000. Other images are
not looked at: they stay for figures that are published. Two tables: even classes, and uneven ones of as many images together, of
which the largest has ten times the images of the smallest. Two trainings at a time, one thread each: the number of threads changes
no bit. Prints Markdown: mean and, in brackets, standard deviation over the seeds.
"""

import argparse
import concurrent.futures
import json
import pathlib
import random
import statistics
import subprocess
import tarfile
import tempfile

TRAINED, MEASURED = range(101, 601), range(601, 1001)
SMOOTHING, MIXUP, AVERAGE = ["--label-smoothing", "0.1"], ["--mixup", "0.2"], ["--ema", "0.999"]
PHOTO, SAMPLING = ["--augment", "photo"], ["--balance", "sampling"]
EVEN = {
    "quick": [],
    "label smoothing 0.1": SMOOTHING,
    "mixup 0.2": MIXUP,
    "ema 0.999": AVERAGE,
    "photo": PHOTO,
    "all": SMOOTHING + MIXUP + AVERAGE + PHOTO,
}
UNEVEN = {
    "quick": [],
    "balance loss": ["--balance", "loss"],
    "balance sampling": SAMPLING,
    "all": SMOOTHING + MIXUP + AVERAGE + PHOTO + SAMPLING,
}


def unpack(archive, folder):
    """The images that are used, in folder/train/CLASS; returns the classes."""
    wanted = {f"{number:04}.jpg" for number in [*TRAINED, *MEASURED]}
    classes = set()
    with tarfile.open(archive) as file:
        for member in file:
            path = pathlib.PurePosixPath(member.name)
            if member.isfile() and path.name in wanted:
                classes.add(path.parent.name)
                target = folder / "all" / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.extractfile(member).read())
    return sorted(classes)


def counts(images, classes, uneven):
    """The number of training images of each class."""
    shares = [10 ** (-rank / (classes - 1)) if uneven else 1 for rank in range(classes)]
    return [max(1, round(images * share / sum(shares))) for share in shares]


def link(folder, into, name, numbers):
    """Puts the images of a class with these numbers into a folder."""
    (into / name).mkdir(parents=True)
    for number in numbers:
        (into / name / f"{number:04}.jpg").hardlink_to(folder / "all" / name / f"{number:04}.jpg")


def training_data(folder, classes, images, seed, uneven):
    """A data folder for a training. Its test split is one image a class, so that measuring after each epoch costs nothing."""
    data = folder / f"data-{images}-{seed}-{uneven}"
    for name, count in zip(classes, counts(images, len(classes), uneven)):
        if count > len(TRAINED):
            raise SystemExit(f"{images} images need {count} of class {name}, there are {len(TRAINED)}: give fewer --images")
        drawn = random.Random(f"{seed} {name}").sample(TRAINED, count)
        link(folder, data / "train", name, drawn)
        link(folder, data / "test", name, MEASURED[:1])
    return data


def error(program, folder, data, flags, steps, seed, number):
    """The error of a training's last step on the measured images, in percent."""
    run = folder / f"run-{number}"
    quiet = ["--threads", "1", "--json", "--quiet"]
    train = [program, "train", "--data", data, "--iterations", str(steps), "--seed", str(seed), "--out", run, *flags]
    measure = [program, "eval", run, "--data", folder / "measured", "--checkpoint", "last"]
    for command in [train, measure]:
        done = subprocess.run([*command, *quiet], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
    result = json.loads(done.stdout)
    assert result["images"] == 10 * len(MEASURED), result["images"]
    return result["top1_error_pct"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("archive")
    arguments.add_argument("--images", default="300,1000,3000")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--settings", help="only these rows, by name")
    given = arguments.parse_args()
    sizes = [int(size) for size in given.images.split(",")]
    chosen = given.settings.split(",") if given.settings else [*EVEN, *UNEVEN]
    program = str(pathlib.Path(given.program).resolve())
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(name)
        classes = unpack(given.archive, folder)
        for label in classes:
            link(folder, folder / "measured" / "test", label, MEASURED)
        number = 0
        for uneven, settings in [(False, EVEN), (True, UNEVEN)]:
            rows = {row: flags for row, flags in settings.items() if row in chosen}
            if not rows:
                continue
            data = {(n, s): training_data(folder, classes, n, s, uneven) for n in sizes for s in range(given.seeds)}
            print(f"\n| {'uneven' if uneven else 'even'} classes, {given.steps} steps |", end="")
            print("".join(f" {size} images |" for size in sizes) + "\n|---|" + "---|" * len(sizes), flush=True)
            for row, flags in rows.items():
                trainings = {}
                for size, seed in data:
                    number += 1
                    task = (program, folder, data[size, seed], flags, given.steps, seed, number)
                    trainings[size, seed] = pool.submit(error, *task)
                cells = []
                for size in sizes:
                    errors = [trainings[size, seed].result() for seed in range(given.seeds)]
                    spread = f" ({statistics.stdev(errors):.1f})" if len(errors) > 1 else ""
                    cells.append(f"{statistics.mean(errors):.1f}{spread}")
                print(f"| {row} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()

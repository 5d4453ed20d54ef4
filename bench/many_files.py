"""How long programs take to list an image folder of 1.28 million files, to begin a training on it (with its report) and to evaluate
that, and their peak memory.

    python bench/many_files.py FOLDER PHOTOS PROGRAM... [--files 1280000] [--classes 1000] [--held-out 100] [--rounds 3]
        [--out results/many-files.json]

FOLDER is drawn where it does not exist: hard links to the files of PHOTOS in class folders, and one held-out image of each of
some classes. PROGRAM is an `allcnn`; several (an earlier and a later one) take turns. Needs GNU time. Prints JSON; medians.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from peers.machine import describe  # noqa: E402

NETWORK = """name = "tiny"
input = [32, 32, 3]
classes = 10
layers = [
  { conv = 8, kernel = 3, stride = 2 },
  { conv = 16, kernel = 16, padding = "valid" },
  { conv = "classes", kernel = 1, activation = "identity" },
]
"""


def draw(folder, photos, files, classes, held_out):
    """Hard links; a fresh copy takes over where the file system allows no more links of one file."""
    store = folder.with_name(folder.name + "-photos")
    store.mkdir(parents=True)
    photos = [shutil.copy(photo, store / f"{n}.jpeg") for n, photo in enumerate(photos)]

    def link(n, target):
        try:
            os.link(photos[n % len(photos)], target)
        except OSError:
            photos[n % len(photos)] = shutil.copy(photos[n % len(photos)], store / f"{n}-again.jpeg")
            os.link(photos[n % len(photos)], target)

    for c in range(classes):
        train = folder / "train" / f"n{c:08}"
        train.mkdir(parents=True)
        for n in range(files // classes):
            link(c * 7 + n, train / f"{n:05}.jpeg")
        if c < held_out:
            test = folder / "test" / f"n{c:08}"
            test.mkdir(parents=True)
            link(c, test / "0.jpeg")


def measured(command):
    with tempfile.NamedTemporaryFile("r") as told:
        timed = ["/usr/bin/time", "-o", told.name, "-f", "%e %M", *command]
        subprocess.run(timed, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds, kib = told.read().split()
    return float(seconds), int(kib) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--files", type=int, default=1_280_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--held-out", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    given = parser.parse_args()
    if not given.folder.exists():
        photos = sorted(file for file in given.photos.rglob("*") if file.is_file())
        draw(given.folder, photos, given.files, given.classes, given.held_out)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        network = pathlib.Path(folder) / "tiny.toml"
        network.write_text(NETWORK)
        for _ in range(given.rounds):
            for program in given.programs:
                run = pathlib.Path(folder) / "run"
                shutil.rmtree(run, ignore_errors=True)
                data = ["--data", given.folder, "--augment", "crop-flip", "--preprocess", "mean-std"]
                commands = {
                    "data info --on-disk": [program, "data", "info", "--on-disk", given.folder],
                    "train, 2 steps, with report": [program, "train", "--model", network, *data, "--iterations", "2", "--batch", "8",
                                       "--device", "cpu", "--out", run],
                    "eval": [program, "eval", run],
                }
                for name, command in commands.items():
                    found.setdefault(program, {}).setdefault(name, []).append(measured(command))
    medians = {
        program: {
            name: {"seconds": statistics.median(s for s, _ in runs), "peak_mib": round(statistics.median(m for _, m in runs))}
            for name, runs in commands.items()
        }
        for program, commands in found.items()
    }
    result = {"machine": describe(given.programs[-1], os.cpu_count()), "files": given.files, "classes": given.classes, "rounds": given.rounds, "programs": medians}
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

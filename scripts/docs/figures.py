#!/usr/bin/env python3
"""Makes the figures in the text of the docs again: runs what each sentence tells and puts what comes out into it.

usage: scripts/docs/figures.py PROGRAM [--check] [NAME...]      --check: only say which figures come out otherwise

scripts/docs.sh calls it; NAME is a function below. What needs CIFAR-10's images takes them from ALLCNN_SHARED_DATA (default:
../shared/data) and is skipped, visibly, where they are not.
"""

import concurrent.futures
import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import short_trainings  # noqa: E402

SMALL = """name = "small"
input = [32, 32, 3]
layers = [
  { conv = 24, kernel = 3 },
  { conv = 24, kernel = 3, stride = 2 },
  { conv = 48, kernel = 3 },
  { conv = 48, kernel = 3, stride = 2 },
  { conv = 48, kernel = 3 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"""


class Skipped(Exception):
    """A figure whose data is not at hand."""


class Docs:
    """The documents, with the figures that come out put in."""

    def __init__(self, check):
        self.check, self.differ = check, []

    def put(self, document, pattern, *values):
        """Replaces the groups of the one place in the document that matches."""
        path = ROOT / document
        text = path.read_text()
        found = list(re.finditer(pattern, text))
        if len(found) != 1:
            sys.exit(f"docs: {document} has {len(found)} places like {pattern!r}, expected one")
        new, end = "", 0
        for group, value in enumerate(values, 1):
            if found[0][group].split() == str(value).split():
                value = found[0][group]  # with its line breaks
            else:
                print(f"docs: {document}: {found[0][group]!r} comes out as {str(value)!r}")
                self.differ.append(document)
            new += text[end : found[0].start(group)] + str(value)
            end = found[0].end(group)
        if not self.check:
            path.write_text(new + text[end:])


def run(program, *arguments, codes=(0,)):
    """The JSON document that a command prints."""
    command = [program, *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in codes:
        sys.exit(f"docs: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def cifar():
    """CIFAR-10's training images."""
    folder = pathlib.Path(os.environ.get("ALLCNN_SHARED_DATA") or ROOT.parent / "shared/data")
    path = folder / "cifar10-train-jpeg.tar.gz"
    if not path.exists():
        raise Skipped(f"no {path}")
    return path


def near(docs, program, folder):
    """docs/DATA.md: near copies among CIFAR-10's images."""
    told = run(program, "data", "verify", cifar(), "--holdout", 500, "--near", codes=(0, 1))["near"]
    across = told["groups_across_splits"]
    groups = across + told["groups_within_split"]
    docs.put("docs/DATA.md", r"0\.23 GB\. (\d+) groups, (\d+) of them\nacross the splits", groups, across)


def planted(archive, folder, wanted):
    """Unpacks images that are `wanted` (split, class, number), with one in twenty in the next class."""
    folder.mkdir()
    subprocess.run(["tar", "xf", archive, "-C", folder], check=True)
    classes = sorted(path.name for path in (folder / "train").iterdir())
    given = set()
    moves = []
    for place, name in enumerate(classes):
        split_of = {}
        for path in sorted((folder / "train" / name).iterdir()) + sorted((folder / "test").glob(f"{name}/*")):
            split = wanted(path.parent.parent.name, int(re.sub(r"\D", "", path.stem)))
            if split is None:
                path.unlink()
                continue
            number = split_of[split] = split_of.get(split, -1) + 1
            wrong = number % 20 == 7
            to = f"{split}/{classes[(place + 1) % len(classes)]}/was-{name}-{path.name}" if wrong else f"{split}/{name}/{path.name}"
            moves.append((path, folder / to))
            given |= {to} if wrong and split == "test" else set()
    for path, to in moves:
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
    return given


def suspects(program, data, planted, out, *settings):
    """How many of the planted labels come first, of how many images, and the test error in percent."""
    trained = run(program, "train", "--data", data, "--out", out, *settings)
    told = run(program, "data", "suspects", out, "--top", len(planted))
    return sum(one["file"] in planted for one in told["suspects"]), told["images"], trained["test_error_pct"]


def suspects_of_shapes(docs, program, folder):
    """docs/DATA.md: wrong labels planted in the embedded data."""
    subprocess.run([program, "data", "convert", "shapes", "--to", folder / "shapes.tar", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    given = planted(folder / "shapes.tar", folder / "shapes10", lambda split, number: split)
    (folder / "small.toml").write_text(SMALL)
    settings = ["--model", folder / "small.toml", "--epochs", 12]
    found, images, error = suspects(program, folder / "shapes10", given, folder / "shapes-run", *settings)
    pattern = r"of the (\d+) wrong labels among ([\d,]+) test images, (all\s+\d+|\d+) were the first (\d+) suspects of a network of six convolutions with ([\d.]+) %"
    words = f"all\n{found}" if found == len(given) else found
    docs.put("docs/DATA.md", pattern, len(given), f"{images:,}", words, len(given), f"{error:.1f}")


def suspects_of_cifar(docs, program, folder):
    """docs/DATA.md: wrong labels planted in CIFAR-10, and a network that has hardly learned."""
    wanted = lambda split, number: "train" if number < 1000 else "test" if number >= 4500 else None
    given = planted(cifar(), folder / "cifar-planted", wanted)
    found, images, error = suspects(program, folder / "cifar-planted", given, folder / "cifar-run", "--epochs", 1)
    pattern = r"hardly learned \(([\d.]+) % error on 10,000 images of CIFAR-10 after one\nepoch\) is no help: (\d+) of (\d+) among the first (\d+) of ([\d,]+)\."
    docs.put("docs/DATA.md", pattern, f"{error:.0f}", found, len(given), len(given), f"{images:,}")


def six_epochs_of_cifar(docs, program, folder):
    """docs/VISUALISATION.md: the error of the network whose pictures are described there."""
    told = run(program, "train", "--data", cifar(), "--holdout", 500, "--limit", 9500, "--epochs", 6, "--out", folder / "six")
    docs.put("docs/VISUALISATION.md", r"\(([\d.]+) % test error; those pictures", f"{told['test_error_pct']:.1f}")


def processor():
    """The name of this machine's processor, with the extension that its bits depend on most."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*: (.*)$", text, re.M)[1].strip()
    flags = text.split("flags", 1)[1].split("\n", 1)[0].split()
    known = {"amx_bf16": "AMX", "avx512_bf16": "AVX512_BF16", "avx512f": "AVX-512", "avx2": "AVX2"}
    extension = next((word for flag, word in known.items() if flag in flags), "no AVX2")
    return f"{name} with {extension}"


def short_trainings_table(docs, program, folder):
    """docs/TRAINING.md: test errors of short trainings of the embedded data, beside those of He's weights and a plain rise."""
    before = folder / "before.toml"
    before.write_text(short_trainings.BEFORE)
    recipes = {"before": str(before), "quick": "quick"}
    wanted = [("all-cnn-c", steps, recipe, "shapes", 4) for steps in (16, 64, 128) for recipe in recipes]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        train = lambda network, steps, recipe, data, seed: short_trainings.train(program, folder, network, steps, seed, recipes[recipe], data)
        results = {row[:4]: list(pool.map(lambda seed: train(*row[:4], seed), range(row[4]))) for row in wanted}
    joined = lambda *row: ", ".join(error.rstrip("!") for error in results[row])
    for steps in (16, 64, 128):
        values = [joined("all-cnn-c", steps, recipe, "shapes") for recipe in recipes]
        docs.put("docs/TRAINING.md", rf"\n\| {steps} \| ([^|\n]*) \| ([^|\n]*) \|\n", *values)
    if not docs.check:
        docs.put("docs/TRAINING.md", r"makes such a table \(([^,]*), 2 cores; other", processor())


def whole_training(docs, program, folder):
    """docs/TRAINING.md: the error after some epochs of a whole training of the embedded data."""
    before = folder / "before-whole.toml"
    before.write_text(short_trainings.BEFORE)
    values = []
    for recipe in (before, "quick"):
        out = folder / f"whole-{pathlib.Path(recipe).stem}"
        run(program, "train", "--recipe", recipe, "--out", out)
        rows = list(csv.DictReader((out / "metrics.csv").open()))
        values += [f"{float(rows[epoch - 1]['test_error_pct']):.1f}" for epoch in (1, 2, 4, 6)]
    pattern = r"epochs 1, 2, 4 and 6 was ([\d.]+), ([\d.]+), ([\d.]+)\nand ([\d.]+) before, and ([\d.]+), ([\d.]+), ([\d.]+) and ([\d.]+) with `quick`"
    docs.put("docs/TRAINING.md", pattern, *values)


FIGURES = [near, six_epochs_of_cifar, suspects_of_shapes, suspects_of_cifar, short_trainings_table, whole_training]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    known = {figure.__name__: figure for figure in FIGURES}
    unknown = [name for name in arguments[1:] if name not in known]
    if not arguments or unknown:
        sys.exit(f"{__doc__}\nNAME: {', '.join(known)}" + "".join(f"\nunknown: {name}" for name in unknown))
    program = shutil.which(arguments[0]) or sys.exit(f"docs: no program {arguments[0]}")
    docs = Docs("--check" in sys.argv)
    for name in arguments[1:] or known:
        print(f"+ {known[name].__doc__}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            try:
                known[name](docs, str(pathlib.Path(program).resolve()), pathlib.Path(folder))
            except Skipped as reason:
                print(f"  SKIPPED: {reason}", flush=True)
    sys.exit(1 if docs.check and docs.differ else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Test errors of short trainings on the embedded data: the recipe quick, and with --before the same with He's first weights and a
plain rise.

example: bench/short_trainings.py target/release/allcnn short --steps 16,64,256

Two trainings at a time, one thread each: the number of threads changes no bit. The first seeds of all networks come first. Finished
trainings are kept in the folder's results.json: stopped at any time, the same command goes on where it was, and more steps or
seeds are added to the table, which is printed in Markdown at the end. `!` marks what the training itself calls stuck or dead.
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import tempfile

from kept import Kept

BEFORE = 'init = "he"\n[schedule]\nkind = "one-cycle"\nwarm_up = 0.15\ndecay = "linear"\n'
NETWORKS = ["all-cnn-c", "all-cnn-a", "model-c", "strided-cnn-c"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program allcnn")
    parser.add_argument("out", type=pathlib.Path, help="folder for results.json")
    parser.add_argument("--steps", default="16,64,256", help="[default: 16,64,256]")
    parser.add_argument("--seeds", type=int, default=4, help="[default: 4]")
    parser.add_argument("--networks", default=",".join(NETWORKS), help=f"[default: {','.join(NETWORKS)}]")
    parser.add_argument("--before", action="store_true", help="All-CNN-C with He's first weights as well")
    return parser.parse_args()


def two_classes(program, folder):
    """A folder with two classes of the embedded data."""
    archive = folder / "shapes.tar"
    subprocess.run([program, "data", "convert", "shapes", "--to", archive, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["tar", "xf", archive, "-C", folder], check=True)
    for split in ["train", "test"]:
        for name in ["heart", "star"]:
            target = folder / "two" / split / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / split / name).rename(target)
    return str(folder / "two")


def errors_of(kept, network, classes, steps, recipe):
    """The errors of the seeds, in their order."""
    start = f"{network} {classes} {steps} {recipe} "
    found = {int(name[len(start) :]): error for name, error in kept.done.items() if name.startswith(start)}
    return ", ".join(found[seed] for seed in sorted(found))


def train(program, out, network, steps, seed, recipe, data):
    """The test error after the last epoch, in percent; an exclamation mark where the training says that it did not learn."""
    command = [program, "train", "--model", network, "--data", data, "--recipe", recipe, "--iterations", str(steps)]
    command += ["--seed", str(seed), "--threads", "1", "--out", out, "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        if "has diverged" not in done.stderr:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with code {done.returncode}: {done.stderr}")
        return "diverged"
    result = json.loads(done.stdout)
    return f"{result['test_error_pct']:.1f}" + ("" if result["health"] == "learns" else "!")


def table(kept):
    """All trainings of the folder, a row for each network, number of classes and number of steps."""
    rows = sorted({tuple(name.split()[:3]) for name in kept.done}, key=lambda row: (int(row[2]), -int(row[1]), NETWORKS.index(row[0])))
    print("| network | classes | steps | before | `quick` |\n|---|---|---|---|---|")
    for network, classes, steps in rows:
        before, quick = (errors_of(kept, network, classes, steps, recipe) for recipe in ["before", "quick"])
        print(f"| {network} | {classes} | {steps} | {before} | {quick} |", flush=True)


def main():
    given = arguments()
    program = str(given.program.resolve())
    given.out.mkdir(parents=True, exist_ok=True)
    kept = Kept(given.out / "results.json")
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(name)
        before = folder / "before.toml"
        before.write_text(BEFORE)
        data = {10: "shapes", 2: two_classes(program, folder)}
        recipes = {"quick": "quick", "before": str(before)}

        def one(network, classes, steps, recipe, seed):
            name = f"{network} {classes} {steps} {recipe} {seed}"
            if name not in kept.done:
                out = folder / name.replace(" ", "-")
                kept.add(name, train(program, out, network, steps, seed, recipes[recipe], data[classes]))

        trainings = []
        for steps in [int(number) for number in given.steps.split(",")]:
            for seed in range(given.seeds):
                for classes in data:
                    for network in given.networks.split(","):
                        compared = given.before and network == NETWORKS[0] and classes == 10
                        for recipe in ["quick", "before"] if compared else ["quick"]:
                            trainings.append(pool.submit(one, network, classes, steps, recipe, seed))
        for training in trainings:
            training.result()
    table(kept)


if __name__ == "__main__":
    main()

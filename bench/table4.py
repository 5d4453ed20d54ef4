#!/usr/bin/env python3
"""The systems of the paper's Table 4 beside All-CNN-C, under one short recipe on the same images.

example: bench/table4.py target/release/allcnn cifar10-train-jpeg.tar.gz table4

The recipe is quick in bf16, with what belongs to a system itself: the companion heads and the squared hinge of Deeply-Supervised
Nets, the prior by groups (animals and vehicles) of the tree prior. dasNet is sought on top of the Maxout run of the first seed. Two
trainings at a time, one thread each: the number of threads changes no bit. Networks on a canvas take too long for an error; they
are trained for some steps of four images, by heavy augmentation, both threads. What is finished is kept in the folder's results.json: stopped at any time, the same
command goes on where it was. Prints Markdown: mean error and standard deviation over the seeds (`!`: a training says itself that it did not learn), the
95 % interval of the first one's error, images/s of one thread (canvas networks: of all).
"""

import argparse
import concurrent.futures
import json
import pathlib
import statistics
import subprocess

from kept import Kept

RECIPE = 'base = "quick"\nprecision = "bf16"\n'
HEADS = '[companions]\nlayers = ["conv1", "conv4", "conv7"]\nrate = 0.001\n'
GROUPS = """[tree_prior]
strength = 0.001
[tree_prior.groups]
animals = ["bird", "cat", "deer", "dog", "frog", "horse"]
vehicles = ["airplane", "automobile", "ship", "truck"]
"""
SYSTEMS = {
    "all-cnn-c": ("all-cnn-c", ""),
    "nin": ("nin", ""),
    "maxout": ("maxout", ""),
    "dsn": ("dsn", 'loss = "squared-hinge"\n' + HEADS),
    "dsn without heads": ("dsn", 'loss = "squared-hinge"\n'),
    "dsn without heads or hinge": ("dsn", ""),
    "dropconnect": ("dropconnect", ""),
    "tree-prior": ("tree-prior", GROUPS),
    "tree-prior without prior": ("tree-prior", ""),
    "fractional": ("fractional", ""),
}
CANVAS = ["large-all-cnn", "spatially-sparse", "large-fractional"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program allcnn")
    parser.add_argument("data", type=pathlib.Path, help="train/CLASS/NNNN.jpg in an archive")
    parser.add_argument("out", type=pathlib.Path, help="folder for runs and results.json")
    parser.add_argument("--images", default="10000", help="training images [default: 10000]")
    parser.add_argument("--epochs", default="12", help="[default: 12]")
    parser.add_argument("--seeds", type=int, default=3, help="[default: 3]")
    parser.add_argument("--holdout", default="500", help="the last N of each class are tested [default: 500]")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="[default: all]")
    parser.add_argument("--canvas", default=",".join(CANVAS), help="networks that are only timed [default: all]")
    parser.add_argument("--steps", default="200", help="steps of these [default: 200]")
    parser.add_argument("--generations", default="20", help="generations of dasNet, 0 for none [default: 20]")
    return parser.parse_args()


def run(command):
    """The JSON that a command of the program says."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def train(given, model, recipe, out, holdout, *flags):
    """A training, begun or gone on with; its test error in percent with the interval, images/s and whether it learned."""
    if (out / "run.toml").exists():
        command = [given.program, "train", "--resume", out]
    else:
        recipe_file = out.with_suffix(".toml")
        recipe_file.write_text(RECIPE + recipe)
        command = [given.program, "train", "--model", model, "--data", given.data, "--holdout", holdout, "--recipe", recipe_file]
        command += ["--out", out, *flags]
    said = run([*command, "--json", "--quiet"])
    return {key: said[key] for key in ["test_error_pct", "test_error_interval95", "images_per_s", "health"]}


def table(results):
    print("| system | test error | 95 % | images/s |\n|---|---|---|---|")
    for system in SYSTEMS:
        found = [value for name, value in results.done.items() if name.rsplit(" ", 1)[0] == system]
        if not found:
            continue
        errors = [one["test_error_pct"] for one in found]
        low, high = found[0]["test_error_interval95"]
        stuck = "" if all(one["health"] == "learns" for one in found) else "!"
        spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
        speed = statistics.median(one["images_per_s"] for one in found)
        print(f"| `{system}` | {statistics.mean(errors):.2f}{stuck}{spread} | {low:.1f} to {high:.1f} | {speed:.0f} |")
    if "dasnet" in results.done:
        found = results.done["dasnet"]
        low, high = found["error_interval95"]
        alone = f"(the network alone: {found['alone_error_pct']:.2f})"
        print(f"| `dasnet`, {found['generations']} generations | {found['error_pct']:.2f} {alone} | {low:.1f} to {high:.1f} | - |")
    for network in CANVAS:
        if network in results.done:
            print(f"| `{network}` | - | - | {results.done[network]['images_per_s']:.1f} |")


def main():
    given = arguments()
    given.program = given.program.resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    results = Kept(given.out / "results.json")
    length = ["--limit", given.images, "--epochs", given.epochs, "--threads", "1"]

    def one(system, seed):
        name = f"{system} {seed}"
        if name not in results.done:
            model, recipe = SYSTEMS[system]
            out = given.out / name.replace(" ", "-")
            results.add(name, train(given, model, recipe, out, given.holdout, *length, "--seed", seed))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        trainings = [pool.submit(one, system, seed) for seed in range(given.seeds) for system in given.systems.split(",")]
        for training in trainings:
            training.result()
    maxout = given.out / "maxout-0"
    if int(given.generations) and maxout.exists() and "dasnet" not in results.done:
        command = [given.program, "reproduce", "dasnet", maxout, "--generations", given.generations]
        results.add("dasnet", run([*command, "--out", given.out / "dasnet", "--json", "--quiet"]))
    for network in filter(None, given.canvas.split(",")):
        if network not in results.done:
            flags = ["--limit", "1000", "--iterations", given.steps, "--batch", "4", "--augment", "heavy"]
            results.add(network, train(given, network, "", given.out / network, "1", *flags))
    table(results)


if __name__ == "__main__":
    main()

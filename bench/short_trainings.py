#!/usr/bin/env python3
"""Test errors of short trainings on the embedded data: the recipe quick beside the same with He's first weights and a plain rise.

usage: bench/short_trainings.py PROGRAM [STEPS,...] [SEEDS]     default: 16,64,256 and 4 seeds

Other networks than All-CNN-C have half of the seeds, and only the recipe. Two trainings at a time, one thread each: the number
of threads changes no bit. Prints a table in Markdown; `!` marks what the training itself calls stuck or dead.
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

BEFORE = 'init = "he"\n[schedule]\nkind = "one-cycle"\nwarm_up = 0.15\ndecay = "linear"\n'
NETWORKS = ["all-cnn-c", "all-cnn-a", "model-c", "strided-cnn-c"]


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


def train(program, folder, network, steps, seed, recipe, data):
    """The test error after the last epoch, in percent; an exclamation mark where the training says that it did not learn."""
    out = folder / f"{network}-{steps}-{seed}-{pathlib.Path(recipe).stem}-{pathlib.Path(data).name}"
    command = [program, "train", "--model", network, "--data", data, "--recipe", recipe, "--iterations", str(steps)]
    command += ["--seed", str(seed), "--threads", "1", "--out", out, "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return "diverged"
    result = json.loads(done.stdout)
    return f"{result['test_error_pct']:.1f}" + ("" if result["health"] == "learns" else "!")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    steps = [int(number) for number in (sys.argv[2] if len(sys.argv) > 2 else "16,64,256").split(",")]
    seeds = range(int(sys.argv[3]) if len(sys.argv) > 3 else 4)
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(name)
        before = folder / "before.toml"
        before.write_text(BEFORE)
        two = two_classes(program, folder)
        print("| network | classes | steps | before | `quick` |\n|---|---|---|---|---|", flush=True)
        for data, classes in [("shapes", 10), (two, 2)]:
            for network in NETWORKS:
                main_network = network == NETWORKS[0]
                for count in steps:
                    def errors(recipe):
                        few = seeds if main_network else seeds[: len(seeds) // 2]
                        one = lambda seed: train(program, folder, network, count, seed, str(recipe), data)
                        return ", ".join(pool.map(one, few))

                    compared = [errors(before)] if main_network and classes == 10 else [""]
                    shown = " | ".join([*compared, errors("quick")])
                    print(f"| {network} | {classes} | {count} | {shown} |", flush=True)


if __name__ == "__main__":
    main()

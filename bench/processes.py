#!/usr/bin/env python3
"""Speed of a training in shards and by several processes over MPI on this machine, beside one process.

example: bench/processes.py target/release/allcnn --before old/allcnn --rounds 5

PROGRAM is built with the feature `mpi`. All-CNN-C, f32, batches of 128 of the embedded data; all ways take turns, and a figure is the
median of the rounds, in images/s of an epoch without its evaluation. Then the time of one process alone by the number of images
in a step, on one thread: the computing share of a step of several machines (docs/MANY_MACHINES.md).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n"]
BATCH, STEPS = 128, 12


def trained(program, flags, launcher=(), batch=BATCH, steps=STEPS):
    """Images a second of a training."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*launcher, program, "train", "--data", "shapes", "--batch", batch, "--limit", batch * steps, "--epochs", 1]
        command += ["--out", f"{folder}/run", "--json", "--quiet", *flags]
        done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["images_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--before", type=pathlib.Path, help="a program without shards, to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="[default: 5]")
    parser.add_argument("--json", type=pathlib.Path, help="every measurement, into this file")
    given = parser.parse_args()
    program, cores = given.program.resolve(), os.cpu_count()
    ways = {
        "one process, 1 shard": lambda: trained(program, ["--threads", cores]),
        "one process, 8 shards": lambda: trained(program, ["--threads", cores, "--shards", 8]),
        f"{cores} processes of a thread, {cores} shards": lambda: trained(
            program, ["--threads", 1, "--shards", cores], [*MPIRUN, cores]
        ),
        f"{cores} processes of a thread, 8 shards": lambda: trained(program, ["--threads", 1, "--shards", 8], [*MPIRUN, cores]),
        "one process of a thread, 1 shard, half the batch": lambda: trained(program, ["--threads", 1], batch=BATCH // cores),
    }
    if given.before:
        ways = {"before, one process": lambda: trained(given.before.resolve(), ["--threads", cores]), **ways}
    measured = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, way in ways.items():
            measured[name].append(way())
    print("| way | images/s |\n|---|---|")
    for name, rates in measured.items():
        print(f"| {name} | {statistics.median(rates):.0f} |")
    print("\n| images of a step, one thread | s a step |\n|---|---|")
    for batch in [4, 8, 16, 32, 64, 128]:
        rates = [trained(program, ["--threads", 1], batch=batch, steps=max(STEPS, 400 // batch)) for _ in range(3)]
        measured[f"step of {batch}"] = rates
        print(f"| {batch} | {batch / statistics.median(rates):.4f} |")
    if given.json:
        given.json.write_text(json.dumps({"images_per_s": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()

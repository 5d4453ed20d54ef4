#!/usr/bin/env python3
"""Whether trainings in bf16 end like those in f32: test errors of several seeds in each precision, and their difference.

example: bench/precision_agreement.py target/release/allcnn agreement --data cifar10-train-jpeg.tar.gz

Every training is a run folder in the output folder; finished ones are kept in its results.json. Stopped at any time, the
same command goes on where it was. Prints a table in Markdown after each training. The means agree where they differ by no
more than two standard errors of their difference, sqrt(s_f32^2 / n_f32 + s_bf16^2 / n_bf16), of the trainings' own spread. Exit code 1
where they do not.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

PRECISIONS = ["f32", "bf16"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program allcnn")
    parser.add_argument("out", type=pathlib.Path, help="folder for the trainings and results.json")
    parser.add_argument("--data", required=True, help="as for allcnn train")
    parser.add_argument("--model", default="all-cnn-c")
    parser.add_argument("--images", type=int, default=45000, help="training images [default: 45000]")
    parser.add_argument("--holdout", type=int, default=500, help="images of each class held out for testing [default: 500]")
    parser.add_argument("--epochs", type=int, default=12, help="[default: 12]")
    parser.add_argument("--seeds", type=int, default=3, help="trainings in each precision [default: 3]")
    parser.add_argument("--threads", type=int, help="[default: all]")
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("a standard error needs two seeds")
    return given


def load(path, settings):
    """The results so far, of the same settings."""
    if not path.exists():
        return {"settings": settings, "test_error_pct": {precision: {} for precision in PRECISIONS}}
    results = json.loads(path.read_text())
    if results["settings"] != settings:
        sys.exit(f"{path} has results of other settings: {results['settings']}, now {settings}. Choose another folder.")
    return results


def store(path, results):
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(unfinished, path)


def train(given, precision, seed):
    """The test error at the end, in percent."""
    out = given.out / f"{precision}-{seed}"
    command = [given.program.resolve(), "train", "--json", "--quiet"]
    if (out / "run.toml").exists():
        command += ["--resume", out]
    else:
        command += ["--model", given.model, "--data", given.data, "--holdout", str(given.holdout), "--limit", str(given.images)]
        command += ["--epochs", str(given.epochs), "--seed", str(seed), "--precision", precision, "--out", out]
    if given.threads:
        command += ["--threads", str(given.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{precision}, seed {seed}: allcnn train ended with code {done.returncode}")
    return json.loads(done.stdout)["test_error_pct"]


def row(precision, errors, seeds):
    shown = [f"{errors[seed]:.2f}" if seed in errors else "" for seed in seeds]
    values = list(errors.values())
    mean = f"{statistics.mean(values):.2f}" if values else ""
    spread = f"{statistics.stdev(values) / math.sqrt(len(values)):.2f}" if len(values) > 1 else ""
    return "| " + " | ".join([precision, *shown, mean, spread]) + " |"


def table(errors, seeds):
    print("\n| test error, % | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | standard error |")
    print("|---" * (len(seeds) + 3) + "|")
    for precision in PRECISIONS:
        print(row(precision, errors[precision], seeds))
    sys.stdout.flush()


def agrees(errors):
    """Prints the difference of the means and whether it is within two standard errors."""
    f32, bf16 = (list(errors[precision].values()) for precision in PRECISIONS)
    difference = statistics.mean(bf16) - statistics.mean(f32)
    error = math.sqrt(sum(statistics.variance(values) / len(values) for values in [f32, bf16]))
    within = abs(difference) <= 2 * error
    print(f"\nbf16 - f32: {difference:+.2f}; two standard errors of the difference: {2 * error:.2f}; "
          f"the means {'agree' if within else 'differ'}.")
    return within


def main():
    given = arguments()
    settings = {name: getattr(given, name) for name in ["data", "model", "images", "holdout", "epochs"]}
    given.out.mkdir(parents=True, exist_ok=True)
    path, seeds = given.out / "results.json", [str(seed) for seed in range(given.seeds)]
    results = load(path, settings)
    errors = results["test_error_pct"]
    # The precisions take turns, so that an early stop leaves as many of either.
    for seed in seeds:
        for precision in PRECISIONS:
            if seed not in errors[precision]:
                errors[precision][seed] = train(given, precision, seed)
                store(path, results)
                table(errors, seeds)
    used = {precision: {seed: errors[precision][seed] for seed in seeds} for precision in PRECISIONS}
    table(used, seeds)
    sys.exit(0 if agrees(used) else 1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on")

#!/usr/bin/env python3
"""allcnn beside its peers (PyTorch, onnxruntime, Burn) on the same machine in the same run: one table of ratios.

    cargo build --release
    pip install -r bench/requirements.txt
    cargo build --release --manifest-path bench/burn/Cargo.toml    # optional: Burn
    python bench/peers.py [--works 'train-all-cnn-?,infer-*'] [--rounds 5] [--threads N] [--json FILE]

For each work the programs take turns, round after round, so that a slow minute of the machine hits all of them. A
figure is the median over the rounds; a peer stands with its best way. bench/README.md says what every work and column
means.
"""

import argparse
import json
import os
import signal
import sys
import sysconfig
import time
from pathlib import Path

from peers.machine import describe
from peers.programs import REPOSITORY, Failed, programs
from peers.table import PEERS, markdown, summary
from peers.works import chosen


def note(text):
    print(text, file=sys.stderr, flush=True)


def take_turns(work, starts, rounds):
    """Measures every program once a round: ({name: [measurement]}, {name: version}, {name: why it is left out})."""
    running, measurements, versions, left_out = {}, {name: [] for name in starts}, {}, {}
    try:
        for number in range(1, rounds + 1):
            for name, start in starts.items():
                if name in left_out:
                    continue
                try:
                    if name not in running:
                        running[name] = start()
                    measurement = running[name].measure()
                except Failed as failure:
                    left_out[name] = str(failure)
                    note(f"{work.name}: left out {name}: {failure}")
                    continue
                measurements[name].append(measurement)
                versions[name] = running[name].version
                note(f"{work.name}, round {number}/{rounds}: {name} {measurement[work.quantity]:.1f}")
                if work.measures_memory:  # a process that has done nothing before
                    running.pop(name).close()
    finally:
        for program in running.values():
            program.close()
    return {name: results for name, results in measurements.items() if name not in left_out}, versions, left_out


def measure(work, arguments):
    """Everything about one work."""
    begin, load = time.monotonic(), os.getloadavg()[0]
    starts, left_out = programs(work, arguments.peers, arguments.allcnn, arguments.threads)
    for name, reason in left_out.items():
        note(f"{work.name}: left out {name}: {reason}")
    measurements, versions, failed = take_turns(work, starts, arguments.rounds)
    return {
        "work": work.description(), **summary(work, measurements), "versions": versions, "left_out": left_out | failed,
        "load_average_before": load, "seconds": round(time.monotonic() - begin, 1), "measurements": measurements,
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", default="*", help="names or patterns, separated by commas (default: all)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where all programs run")
    parser.add_argument("--list", action="store_true", help="print the names of the works and end")
    parser.add_argument("--peers", default="pytorch,onnxruntime,burn", help="peers to measure (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (at least 5 for figures to publish)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of every program")
    parser.add_argument("--allcnn", default=str(REPOSITORY / "target/release/allcnn"), help="the binary")
    parser.add_argument("--json", metavar="FILE", help="write machine, figures and every single measurement")
    arguments = parser.parse_args()
    arguments.peers = arguments.peers.split(",")
    for peer in arguments.peers:
        if peer not in map(str.lower, PEERS):
            parser.error(f"--peers {peer}: expected {', '.join(PEERS).lower()}")
    try:
        arguments.works = chosen(arguments.works, arguments.device)
    except ValueError as error:
        parser.error(f"--works: {error}")
    if min(arguments.rounds, arguments.threads) < 1:
        parser.error("--rounds and --threads: expected at least 1")
    if not arguments.list and not Path(arguments.allcnn).exists():
        parser.error(f"no binary at {arguments.allcnn}: run `cargo build --release`, or give --allcnn")
    return arguments


def main():
    arguments = parse()
    if arguments.list:
        print("\n".join(work.name for work in arguments.works))
        return
    if arguments.device == "cuda":  # allcnn takes the libraries that PyTorch brought
        os.environ.setdefault("ALLCNN_CUDA_LIBS", sysconfig.get_paths()["purelib"])
    machine, results = describe(arguments.allcnn, arguments.threads), []
    for work in arguments.works:
        results.append(measure(work, arguments))
        if arguments.json:  # after each work, so that an interrupted run leaves what it has
            document = {"machine": machine, "rounds": arguments.rounds, "works": results}
            Path(arguments.json).write_text(json.dumps(document, indent=1) + "\n")
    where = machine["gpu"] if arguments.device == "cuda" else f"{machine['cpu']}, {arguments.threads} threads"
    print(f"{where}: medians of {arguments.rounds} rounds, images/s\n")
    print(markdown(results))
    left_out = [(result, name) for result in results for name in result["left_out"]]
    for result, name in left_out:
        print(f"\nleft out: {name}, {result['work']['name']}: {result['left_out'][name]}")
    if any(name == "allcnn" for _, name in left_out):
        sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # workers are ended on the way out
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

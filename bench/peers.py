#!/usr/bin/env python3
"""allcnn beside its peers (PyTorch, onnxruntime, OpenVINO, ncnn, Burn) on the same machine in the same run: one table
of ratios.

    cargo build --release
    pip install -r bench/requirements.txt
    cargo build --release --manifest-path bench/burn/Cargo.toml    # optional: Burn
    python bench/peers.py [--works 'train-all-cnn-?,infer-*'] [--cap avx2] [--rounds 5] [--threads N] [--json FILE]
    python bench/peers.py --table --json FILE                      # the works and caps of bench/README.md's table

For each work the programs take turns, round after round, so that a slow minute of the machine hits all of them. A
figure is the median over the rounds; a peer stands with its best way. With --cap no program uses instructions above the
one named; a peer whose cap cannot be shown to act is left out. bench/README.md says what every work and column means.
"""

import argparse
import json
import os
import signal
import sys
import sysconfig
import time
from pathlib import Path

from peers import caps
from peers.machine import describe, flags
from peers.programs import REPOSITORY, Failed, programs
from peers.table import PEERS, markdown, summary
from peers.works import TABLE, chosen


def note(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


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
                    value = f"{measurement[work.quantity]:.1f}"
                except (Failed, OSError, ValueError, KeyError, TypeError) as failure:  # the others go on
                    left_out[name] = str(failure) if isinstance(failure, Failed) else repr(failure)
                    note(f"{work.name}: left out {name}: {left_out[name]}")
                    if name in running:
                        running.pop(name).close()
                    continue
                measurements[name].append(measurement)
                versions[name] = running[name].version
                note(f"{work.name}, round {number}/{rounds}: {name} {value}{disturbance(measurement)}")
                if work.measures_memory:  # a process that has done nothing before
                    running.pop(name).close()
    finally:
        for program in running.values():
            program.close()
    return {name: results for name, results in measurements.items() if name not in left_out}, versions, left_out


def disturbance(measurement):
    return ", machine disturbed" if (measurement.get("machine") or {}).get("disturbed") else ""


def without_uncapped(work, cap, starts):
    """The programs whose cap acts: (those, {name: why it does}, {name: why it is left out})."""
    if cap is None:
        return starts, {}, {}
    shown, left_out, machine = {}, {}, flags()
    for name in starts:
        if name == "allcnn":  # says itself what it runs
            continue
        why, why_not = caps.evidence(name.split()[0], cap, machine, work.precision)
        if why_not:
            left_out[name] = why_not
        else:
            shown[name] = why
    return {name: start for name, start in starts.items() if name not in left_out}, shown, left_out


def measure(work, cap, arguments):
    """Everything about one work."""
    begin, load = time.monotonic(), os.getloadavg()[0]
    starts, left_out = programs(work, arguments.peers, arguments.allcnn, arguments.threads, cap)
    starts, shown, uncapped = without_uncapped(work, cap, starts)
    left_out |= uncapped
    for name, reason in left_out.items():
        note(f"{work.name}: left out {name}: {reason}")
    measurements, versions, failed = take_turns(work, starts, arguments.rounds)
    return {
        "work": work.description(), "cap": cap, "cap_acts": shown, **summary(work, measurements), "versions": versions,
        "left_out": left_out | failed, "disturbed": sum(bool(disturbance(m)) for m in measurements.get("allcnn", [])),
        "load_average_before": load, "seconds": round(time.monotonic() - begin, 1), "measurements": measurements,
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", default="*", help="names or patterns, separated by commas (default: all)")
    parser.add_argument("--table", action="store_true", help="the works and caps of bench/README.md's table")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where all programs run")
    parser.add_argument("--cap", choices=caps.CAPS, help="the widest instruction set that any program may use")
    parser.add_argument("--list", action="store_true", help="print the names of the works and end")
    parser.add_argument("--peers", default=",".join(PEERS).lower(), help="peers to measure (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (at least 5 for figures to publish)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of every program")
    parser.add_argument("--allcnn", default=str(REPOSITORY / "target/release/allcnn"), help="the binary")
    parser.add_argument("--json", metavar="FILE", help="write machine, figures and every single measurement")
    arguments = parser.parse_args()
    arguments.peers = arguments.peers.split(",")
    for peer in arguments.peers:
        if peer not in map(str.lower, PEERS):
            parser.error(f"--peers {peer}: expected {', '.join(PEERS).lower()}")
    if arguments.table and (arguments.cap or arguments.works != "*" or arguments.device != "cpu"):
        parser.error("--table has works and caps of its own: give it without --works, --cap and --device")
    if arguments.cap and arguments.device != "cpu":
        parser.error("--cap is one of processors: give it without --device")
    widest = caps.widest(flags())
    if arguments.cap and not (widest and caps.is_within(arguments.cap, widest)):
        parser.error(f"--cap {arguments.cap}: this machine has no such instructions; its widest set is {widest}")
    try:
        arguments.plan = planned(arguments, widest)
    except ValueError as error:
        parser.error(f"--works: {error}")
    if min(arguments.rounds, arguments.threads) < 1:
        parser.error("--rounds and --threads: expected at least 1")
    if not arguments.list and not Path(arguments.allcnn).exists():
        parser.error(f"no binary at {arguments.allcnn}: run `cargo build --release`, or give --allcnn")
    return arguments


def planned(arguments, widest):
    """[(cap, work)]. A cap that the machine has nothing above would repeat what was measured without one."""
    if not arguments.table:
        return [(arguments.cap, work) for work in chosen(arguments.works, arguments.device)]
    below = caps.ORDER[:caps.ORDER.index(widest)] if widest else []
    return [(cap, work) for cap, works in TABLE if cap in [None, *below] for work in chosen(works, "cpu")]


def write(path, document):
    """The whole document or the one before, never a part."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(document, indent=1) + "\n")
    partial.replace(path)


def main():
    arguments = parse()
    if arguments.list:
        print("\n".join(work.name + (f" ({cap})" if cap else "") for cap, work in arguments.plan))
        return
    if arguments.device == "cuda":  # allcnn takes the libraries that PyTorch brought
        os.environ.setdefault("ALLCNN_CUDA_LIBS", sysconfig.get_paths()["purelib"])
    machine, results = describe(arguments.allcnn, arguments.threads), []
    for number, (cap, work) in enumerate(arguments.plan, 1):
        note(f"work {number} of {len(arguments.plan)}: {work.name}" + (f", capped at {cap}" if cap else ""))
        results.append(measure(work, cap, arguments))
        if arguments.json:  # after each work, so that an interrupted run leaves what it has
            document = {"machine": machine, "command": sys.argv, "rounds": arguments.rounds, "works": results}
            write(Path(arguments.json), document)
    where = machine["gpu"] if arguments.device == "cuda" else f"{machine['cpu']}, {arguments.threads} threads"
    print(f"{where}: medians of {arguments.rounds} rounds, images/s\n")
    print(markdown(results))
    for result in results:
        name = result["work"]["name"] + (f" ({result['cap']})" if result["cap"] else "")
        if result["disturbed"]:
            print(f"\ndisturbed: {name}, {result['disturbed']} of {arguments.rounds} rounds: measure it again")
        for program, reason in result["left_out"].items():
            print(f"\nleft out: {program}, {name}: {reason}")
    if any("allcnn" in result["left_out"] for result in results):
        sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # workers are ended on the way out
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

#!/usr/bin/env python3
"""The model of docs/MANY_MACHINES.md: fitted to measurements, checked on others, and what it predicts.

usage: bench/scaling_model.py bench/results/processes.json bench/results/hosts.json

processes.json is from bench/processes.py; hosts.json holds the lines of `scripts/mpi_hosts.sh --measure` ("steps") and of `mpirun
-n 2` and `-n 4` of allcnn-mpi's example exchange ("exchanges"). Prints tables in Markdown.
"""

import json
import math
import statistics
import sys

BYTES = 4
# Parameters, images/s of a node (2 cores, AVX512_BF16, f32, bench/README.md) and its batch.
NETWORKS = {"All-CNN-C": (1_369_738, 325, 128), "ImageNet, `imagenet-all-cnn-b`": (9_372_840, 41.9, 16), "Large All-CNN": (77_455_690, 1.8, 4)}
# Bytes a second and seconds of a frame one way.
LINKS = {"1 Gbit/s": (0.118e9, 50e-6), "10 Gbit/s": (1.18e9, 20e-6), "100 Gbit/s": (11.8e9, 3e-6)}
NODES = [1, 2, 4, 8, 16, 64, 256, 1024]


def exchange(nodes, parameters, bandwidth, memory):
    """Seconds that the values of an exchange take: each sent twice but for a share of 1 / nodes, each added once."""
    values = BYTES * parameters * (1 - 1 / nodes)
    return 2 * values / bandwidth + values / memory


def messages(nodes):
    """Messages of a step that wait for each other: two orders, the figures, and two exchanges of three a level."""
    levels = math.log2(nodes)
    return 2 * levels + 1 + 2 * 3 * levels if nodes > 1 else 0


def line(points):
    """Slope and value at 0 of the line through two points."""
    (x0, y0), (x1, y1) = points
    slope = (y1 - y0) / (x1 - x0)
    return slope, y0 - slope * x0


def shown(what, predicted, measured, fitted):
    off = 100 * (predicted / measured - 1)
    return f"| {what} | {1000 * measured:.1f} | {1000 * predicted:.1f} | {'fitted' if fitted else f'{off:+.1f} %'} |"


def compute(processes):
    """Seconds of a step by images, of one thread."""
    steps = {int(name.split()[-1]): int(name.split()[-1]) / statistics.median(rates) for name, rates in processes.items() if name.startswith("step of")}
    slope, constant = line([(8, steps[8]), (128, steps[128])])
    print("| images of a step, one thread | measured, ms | model, ms | |\n|---|---|---|---|")
    for images, seconds in sorted(steps.items()):
        print(shown(images, constant + slope * images, seconds, images in (8, 128)))
    print(f"\n{1000 * slope:.2f} ms an image and {1000 * constant:.1f} ms a step.\n")


def delays(steps):
    """Seconds of a step of two hosts by the delay of a frame."""
    two = {step["delay_ms"] / 1000: step["step_s"] for step in steps if step["processes"] == 2}
    ends = (min(delay for delay in two if delay > 0), max(two))
    slope, constant = line([(delay, two[delay]) for delay in ends])
    print("| delay one way, two hosts | measured, ms | model, ms | |\n|---|---|---|---|")
    for delay, seconds in sorted(two.items()):
        print(shown(f"{1000 * delay:g} ms", constant + slope * delay, seconds, delay in ends))
    print(f"\n{slope:.1f} delays a step; messages that wait for each other: {messages(2):.0f}.\n")


def exchanges(measured):
    """The rate of this machine's memory, and exchanges between its processes."""
    two = {one["values"]: one["seconds"] for one in measured if one["processes"] == 2}
    largest = max(two)
    rate = BYTES * largest / two[largest]
    print("| processes | values | measured, ms | model, ms | |\n|---|---|---|---|---|")
    for one in measured:
        processes, values = one["processes"], one["values"]
        if values < 1000:
            continue
        # Processes of one machine share its memory.
        predicted = 2 * BYTES * values * (1 - 1 / processes) / rate * processes / 2
        print(f"| {processes} {shown(f'{values:,}', predicted, one['seconds'], (processes, values) == (2, largest))}")
    print(f"\n{rate / 1e9:.1f} GB/s.\n")
    return rate


def predict(memory):
    for network, (parameters, rate, batch) in NETWORKS.items():
        step = batch / rate
        print(f"\n{network}, {batch} images a node and step ({step:.2f} s):\n")
        print("| nodes | " + " | ".join(f"{link}: weak, strong" for link in LINKS) + " |\n|---" * 1 + "|---" * len(LINKS) + "|")
        for nodes in NODES:
            cells = []
            for bandwidth, delay in LINKS.values():
                others = exchange(nodes, parameters, bandwidth, memory) + messages(nodes) * delay
                weak = step / (step + others)
                strong = step / nodes / (step / nodes + others) if nodes <= batch else None
                cells.append(f"{100 * weak:.0f} %" + (f", {100 * strong:.0f} %" if strong is not None else ", -"))
            print(f"| {nodes} | " + " | ".join(cells) + " |")


def main():
    processes, hosts = (json.load(open(path)) for path in sys.argv[1:3])
    compute(processes["images_per_s"])
    delays(hosts["steps"])
    predict(exchanges(hosts["exchanges"]))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""allcnn beside PyTorch: training and inference of one network, on the same machine in the same run.

    cargo build --release && pip install torch
    python bench/peers.py [--model all-cnn-c] [--batch 128] [--threads N] [--rounds 5] [--json FILE]

Every way of running each program is a process of its own, so that its peak memory is its own. The rounds are
interleaved (allcnn, PyTorch plain, channels_last, compile, allcnn, ...), so that a slow minute of the machine hits
all of them. A figure is the median over the rounds; PyTorch stands with its best way for each quantity. f32.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

WAYS = ["plain", "channels_last", "compile"]
QUANTITIES = ["train", "infer"]
REPOSITORY = Path(__file__).resolve().parent.parent


def network(name, classes=10):
    """The PyTorch form of a CIFAR network of the paper, by its allcnn name: `all-cnn-c`, `model-a`, ..."""
    from torch import nn

    family, _, base = name.rpartition("-")
    stages = {
        "a": [[(5, 96)], [(5, 192)]],
        "b": [[(5, 96), (1, 96)], [(5, 192), (1, 192)]],
        "c": [[(3, 96), (3, 96)], [(3, 192), (3, 192)]],
    }
    families = ("model", "strided-cnn", "convpool-cnn", "all-cnn")
    if base not in stages or family not in families:
        sys.exit(f"peers.py: unknown model {name}: expected one of {', '.join(families)}, then -a, -b or -c")

    layers, channels = [nn.Dropout(0.2)], 3

    def conv(out, kernel, stride=1, padding=0):
        nonlocal channels
        layers.extend([nn.Conv2d(channels, out, kernel, stride, padding), nn.ReLU()])
        channels = out

    for stage in stages[base]:
        for place, (kernel, out) in enumerate(stage):
            before_pool = place == len(stage) - 1
            conv(out, kernel, 2 if before_pool and family == "strided-cnn" else 1, kernel // 2)
        if family == "all-cnn":
            conv(channels, 3, 2, 1)
        if family == "convpool-cnn":
            conv(channels, 3, 1, 1)
        if family in ("model", "convpool-cnn"):
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers.append(nn.Dropout(0.5))
    conv(192, 3)
    conv(192, 1)
    conv(classes, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def peak_memory_mb():
    """The largest resident set that this process ever had, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def clock(work, images, steps=3):
    """Images a second: the median of `steps` calls after two to warm up."""
    work()
    work()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return images / statistics.median(times)


def torch_worker(model, batch, threads, way):
    """Measures one way of running PyTorch and prints JSON: what a child process of this script does."""
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    net = network(model)
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    if way != "plain":
        net = net.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)
    run = torch.compile(net) if way == "compile" else net

    def train():
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(run(images), labels).backward()
        optimizer.step()

    def infer():
        with torch.inference_mode():
            run(images)

    net.train()
    result = {"train": clock(train, batch)}
    result["peak_memory_mb"] = peak_memory_mb()  # of training; inference needs less
    net.eval()
    result["infer"] = clock(infer, batch)
    result["version"] = torch.__version__
    print(json.dumps(result))


def run_json(command):
    """The JSON document that a command prints; ends the script with the command's own message where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def measure_torch(arguments, threads, way):
    command = [sys.executable, __file__, "--worker", way, "--threads", str(threads)]
    return run_json(command + ["--model", arguments.model, "--batch", str(arguments.batch)])


def measure_allcnn(arguments, threads):
    command = [arguments.allcnn, "bench", "--json", "--model", arguments.model, "--batch", str(arguments.batch)]
    document = run_json(command + ["--threads", str(threads)])
    result = {what: document[f"{what}_images_per_s"] for what in QUANTITIES}
    return result | {"peak_memory_mb": document["peak_memory_mb"], "version": document["device"]}


def machine(threads):
    """The machine in words and numbers, for whoever reads the figures later."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu, "cores": os.cpu_count(), "threads": threads, "memory_gib": round(memory, 1),
        "system": platform.platform(), "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def rounds(arguments, threads):
    """Every measurement of every way: {way: [result a round]}."""
    results = {"allcnn": []} | {f"pytorch {way}": [] for way in arguments.ways}
    for number in range(1, arguments.rounds + 1):
        for name, measured in list(results.items()):
            print(f"round {number}/{arguments.rounds}: {name}", file=sys.stderr, flush=True)
            try:
                result = (measure_allcnn(arguments, threads) if name == "allcnn"
                          else measure_torch(arguments, threads, name.removeprefix("pytorch ")))
            except RuntimeError as error:
                if name == "allcnn":
                    sys.exit(f"peers.py: {error}")
                print(f"left out: {error}", file=sys.stderr)
                del results[name]
                continue
            measured.append(result)
    if len(results) == 1:
        sys.exit("peers.py: no way of running PyTorch worked; is torch installed for this python?")
    return results


def summary(results):
    """The medians of each way, and allcnn against PyTorch's best."""
    keys = QUANTITIES + ["peak_memory_mb"]
    medians = {name: {key: statistics.median(r[key] for r in measured) for key in keys} for name, measured in results.items()}
    peers = {name: median for name, median in medians.items() if name != "allcnn"}
    ratios = {}
    for what in QUANTITIES:
        best = max(peers, key=lambda name: peers[name][what])
        ratios[what] = {"best_peer": best, "ratio": medians["allcnn"][what] / peers[best][what]}
    return medians, ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="all-cnn-c", help="a CIFAR network of the paper")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0, help="threads for both programs (default: all cores)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (at least 5 for figures to publish)")
    parser.add_argument("--ways", default=",".join(WAYS), help="ways of running PyTorch")
    parser.add_argument("--allcnn", default=str(REPOSITORY / "target/release/allcnn"), help="the binary")
    parser.add_argument("--json", metavar="FILE", help="write machine, figures and every single measurement")
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    threads = arguments.threads or len(os.sched_getaffinity(0))
    if arguments.worker:
        torch_worker(arguments.model, arguments.batch, threads, arguments.worker)
        return
    arguments.ways = arguments.ways.split(",")
    if not Path(arguments.allcnn).exists():
        sys.exit(f"peers.py: no binary at {arguments.allcnn}: run `cargo build --release`, or give --allcnn")

    results = rounds(arguments, threads)
    medians, ratios = summary(results)
    print(f"{arguments.model}, batch {arguments.batch}, {threads} threads, f32: medians of {arguments.rounds} rounds")
    print(f"{'':24}{'train images/s':>16}{'infer images/s':>16}{'peak memory MiB':>18}")
    for name, median in medians.items():
        print(f"{name:24}{median['train']:16.1f}{median['infer']:16.1f}{median['peak_memory_mb']:18.0f}")
    for what, entry in ratios.items():
        print(f"{what}: allcnn is {entry['ratio']:.2f} times as fast as PyTorch's best ({entry['best_peer']})")
    if arguments.json:
        document = {
            "machine": machine(threads), "model": arguments.model, "batch": arguments.batch, "precision": "f32",
            "rounds": arguments.rounds, "medians": medians, "ratios": ratios, "measurements": results,
        }
        Path(arguments.json).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()

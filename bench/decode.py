#!/usr/bin/env python3
"""Reading photographs for a training on ImageNet: allcnn beside torchvision and PIL, in interleaved rounds.

    cargo build --release -p allcnn --example decode && pip install torch torchvision
    python bench/decode.py FOLDER [--rounds 5] [--images 1000] [--json FILE]

FOLDER holds photographs in class folders. All do the same: read a file, decode it, take a random 224x224 of the size
where the shortest side is 256, mirror it in half of the cases, normalize it to f32. Each has one thread. A figure is
images per second of processor time (user and system, so that other programs on the machine disturb it little), the
median over the rounds; allcnn's includes starting its process.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from peers.machine import describe

REPOSITORY = Path(__file__).resolve().parent.parent
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIDE, SHORTEST = 224, 256


def allcnn(folder, files, images):
    """The batches of a training, by the example `decode`."""
    example = REPOSITORY / "target/release/examples/decode"
    environment = os.environ | {"RAYON_NUM_THREADS": "1"}
    subprocess.run([example, folder, str(images)], check=True, stdout=subprocess.DEVNULL, env=environment)


def torchvision_pil(folder, files, images):
    """torchvision's usual way: its ImageFolder loader (PIL) and its transforms on PIL images."""
    from torchvision import transforms
    from torchvision.datasets.folder import default_loader

    change = transforms.Compose([
        transforms.Resize(SHORTEST), transforms.RandomCrop(SIDE), transforms.RandomHorizontalFlip(),
        transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION),
    ])
    for number in range(images):
        change(default_loader(files[number % len(files)]))


def torchvision_tensor(folder, files, images):
    """torchvision's own JPEG decoder and its v2 transforms on tensors."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms import v2

    change = v2.Compose([
        v2.Resize(SHORTEST, antialias=True), v2.RandomCrop(SIDE), v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION),
    ])
    for number in range(images):
        change(decode_jpeg(read_file(files[number % len(files)]), mode=ImageReadMode.RGB))


def pil(folder, files, images):
    """PIL at its best: DCT-scaled decoding where the size allows it, one resampling of the part alone."""
    import numpy as np
    from PIL import Image, ImageOps

    mean, deviation = (np.array(values, np.float32) for values in (MEAN, DEVIATION))
    for number in range(images):
        with Image.open(files[number % len(files)]) as image:
            image.draft("RGB", (SHORTEST, SHORTEST))
            image = image.convert("RGB")
        part = min(image.size) * SIDE / SHORTEST
        left, top = (random.uniform(0, size - part) for size in image.size)
        image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(left, top, left + part, top + part))
        if random.random() < 0.5:
            image = ImageOps.mirror(image)
        (np.asarray(image, np.float32) / 255 - mean) / deviation


WAYS = [allcnn, torchvision_pil, torchvision_tensor, pil]


def processor_seconds():
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def images_per_second(way, folder, files, images):
    start = processor_seconds()
    way(folder, files, images)
    return images / (processor_seconds() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000, help="images a round")
    parser.add_argument("--json", type=Path, help="keep every measurement")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    files = sorted(str(path) for path in Path(arguments.folder).rglob("*") if path.suffix.lower() in (".jpeg", ".jpg"))
    if not files:
        sys.exit(f"{arguments.folder} holds no JPEG files")
    for way in WAYS:
        way(arguments.folder, files, len(files))  # imports, and files into the cache
    figures = {way.__name__: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way in WAYS:
            figures[way.__name__].append(images_per_second(way, arguments.folder, files, arguments.images))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print("| way | images/s of a core | allcnn / it |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.0f} | {medians['allcnn'] / median:.2f} |")
    if arguments.json:
        machine = describe(str(REPOSITORY / "target/release/allcnn"), 1)
        document = {"machine": machine, "files": len(files), "images_a_round": arguments.images, "figures": figures}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

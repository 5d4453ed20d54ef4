#!/usr/bin/env python3
"""The network `demo` that comes along with the program: its data, and its weights as half-precision numbers.

usage: scripts/demo.py data ARCHIVE TAR     the images of CIFAR-10 with numbers 4,000 to 4,499 of each class held out
       scripts/demo.py keep RUN             puts the last weights of a run into crates/allcnn/demo, rounded to f16

ARCHIVE holds train/CLASS/NNNN.jpg, 5,000 images in each of ten classes. Between the two, the command in
crates/allcnn/demo/README.md trains the network.
"""

import json
import pathlib
import shutil
import struct
import sys
import tarfile

HELD_OUT = range(4000, 4500)
DEMO = pathlib.Path(__file__).parent.parent / "crates/allcnn/demo"


def data(archive, tar):
    """Copies the images of an archive into another one, with splits."""
    with tarfile.open(archive) as given, tarfile.open(tar, "w") as made:
        for member in given:
            if member.isfile():
                _, name, file = pathlib.PurePosixPath(member.name).parts
                split = "test" if int(file[:4]) in HELD_OUT else "train"
                copy = tarfile.TarInfo(f"{split}/{name}/{file}")
                copy.size = member.size
                made.addfile(copy, given.extractfile(member))


def half(checkpoint):
    """The values of a checkpoint (safetensors), without what only resuming needs, as f16."""
    length = struct.unpack("<Q", checkpoint[:8])[0]
    header, body = json.loads(checkpoint[8 : 8 + length]), checkpoint[8 + length :]
    kept, values = {"__metadata__": header.pop("__metadata__")}, b""
    for name, tensor in header.items():
        if name.startswith("velocity."):
            continue
        begin, end = tensor["data_offsets"]
        numbers = struct.unpack(f"<{(end - begin) // 4}f", body[begin:end])
        rounded = struct.pack(f"<{len(numbers)}e", *numbers)
        offsets = [len(values), len(values) + len(rounded)]
        kept[name] = {"dtype": "F16", "shape": tensor["shape"], "data_offsets": offsets}
        values += rounded
    text = json.dumps(kept, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + values


def keep(run):
    """Puts a run into the program."""
    run = pathlib.Path(run)
    DEMO.mkdir(exist_ok=True)
    own = ("absolute = ", "relative = ")  # where the data lay on the machine that trained it
    lines = (run / "run.toml").read_text().splitlines(keepends=True)
    (DEMO / "run.toml").write_text("".join(line for line in lines if not line.startswith(own)))
    (DEMO / "last.safetensors").write_bytes(half((run / "last.safetensors").read_bytes()))
    for name in ["metrics.csv", "preprocess.safetensors"]:
        shutil.copy(run / name, DEMO / name)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "data":
        data(*sys.argv[2:])
    elif len(sys.argv) == 3 and sys.argv[1] == "keep":
        keep(sys.argv[2])
    else:
        sys.exit(__doc__)

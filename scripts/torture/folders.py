"""What run folders hold: whether each file is whole, and whether two are the same but for times."""

import csv
import io
import json
import struct
import tomllib

from program import Broken

# What a file of a run ends with when it is whole.
ENDS = {"report.html": b"</html>\n", "metrics.csv": b"\n", "heldout.txt": b"\n"}
TIMES = ("images_per_s", "seconds")


def checkpoint(path):
    """A checkpoint: its tensors (type, shape, bytes) by name, and its step."""
    contents = path.read_bytes()
    try:
        length = struct.unpack("<Q", contents[:8])[0]
        header = json.loads(contents[8 : 8 + length])
        data = contents[8 + length :]
        notes = header.pop("__metadata__", {})
        ends = [tensor["data_offsets"][1] for tensor in header.values()]
        if max(ends, default=0) != len(data):
            raise ValueError(f"{len(data)} bytes of tensors, expected {max(ends, default=0)}")
        tensors = {}
        for name, tensor in header.items():
            begin, end = tensor["data_offsets"]
            tensors[name] = (tensor["dtype"], tensor["shape"], data[begin:end])
        return tensors, json.loads(notes.get("progress", "{}")).get("step")
    except (struct.error, ValueError, KeyError) as error:
        raise Broken(f"{path} is not whole: {error}") from None


def rows(path):
    """The rows of a table without the columns that are times."""
    text = path.read_text()
    table = list(csv.DictReader(io.StringIO(text)))
    if any(None in row or None in row.values() for row in table):
        raise Broken(f"{path} has a row that is not whole")
    return [{name: value for name, value in row.items() if name not in TIMES} for row in table]


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if name not in TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def check_whole(run):
    """Every file that has its final name is whole. Returns the step of the newest checkpoint, 0 where there is none."""
    step = 0
    for path in run.iterdir() if run.is_dir() else []:
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            if path.suffix == ".safetensors":
                found = checkpoint(path)[1]
                step = found if path.name == "last.safetensors" else step
            elif path.suffix == ".toml":
                tomllib.loads(path.read_text())
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".csv":
                rows(path)
        except ValueError as error:
            raise Broken(f"{path} is not whole: {error}") from None
        if not path.read_bytes().endswith(ENDS.get(path.name, b"")):
            raise Broken(f"{path} does not end as it should")
    return step


def compare_runs(run, whole):
    """Two finished runs are the same: weights, velocities and lists of images to the bit, figures but for times."""
    for name in ("last.safetensors", "best.safetensors", "preprocess.safetensors"):
        ours, theirs = checkpoint(run / name)[0], checkpoint(whole / name)[0]
        differing = [tensor for tensor in theirs.keys() | ours.keys() if ours.get(tensor) != theirs.get(tensor)]
        if differing:
            raise Broken(f"{run / name} is not that of an undisturbed training: {', '.join(sorted(differing))}")
    if rows(run / "metrics.csv") != rows(whole / "metrics.csv"):
        raise Broken(f"{run}/metrics.csv has other rows than that of an undisturbed training")
    for name in ("trained.bin", "heldout.txt"):
        if (run / name).read_bytes() != (whole / name).read_bytes():
            raise Broken(f"{run / name} is not that of an undisturbed training")
    if not (run / "report.html").is_file():
        raise Broken(f"{run} has no report")


def check_no_leftovers(folder):
    """Nothing lies about that was being written when somebody was killed."""
    left = sorted(str(path) for path in folder.rglob(".writing-*"))
    if left:
        raise Broken(f"left behind: {', '.join(left)}")

#!/usr/bin/env python3
"""Reads the event file of a training with TensorBoard's own reader and compares it with metrics.csv.

usage: check_curves.py RUN
"""
import csv
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TAGS = {
    "loss/train": "train_loss",
    "error/train": "train_error_pct",
    "loss/test": "test_loss",
    "error/test": "test_error_pct",
    "learning_rate": "learning_rate",
    "images_per_s": "images_per_s",
}


def main(run):
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows, "no epoch"
    # Newer readers hand scalars out as tensors.
    tags = events.Tags()
    for tag, column in TAGS.items():
        if tag in tags["scalars"]:
            points = [(point.step, point.value) for point in events.Scalars(tag)]
        else:
            points = [(point.step, point.tensor_proto.float_val[0]) for point in events.Tensors(tag)]
        assert len(points) == len(rows), f"{tag}: {len(points)} points, {len(rows)} epochs"
        steps = [step for step, _ in points]
        assert steps == sorted(set(steps)) and steps[0] > 0, f"{tag}: steps {steps}"
        for (step, value), row in zip(points, rows):
            expected = float(row[column])
            assert abs(value - expected) <= 1e-3 * max(abs(expected), 1), f"{tag} at {step}: {value}, {expected}"
    print(f"tensorboard: {len(TAGS)} curves of {len(rows)} epochs are as in metrics.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The workers' side of `peers.export`: a work's network as a file, and images for it."""

import subprocess
import sys
from pathlib import Path

import numpy

from .works import chosen

SIZES = {"imagenet-all-cnn-b": 224, "large-all-cnn": 126}


def export(name, form, path):
    """Writes the network of a work to a file; stops this process with the exporter's words where that fails."""
    command = [sys.executable, "-W", "ignore", "-m", "peers.export", name, form, str(path)]
    done = subprocess.run(command, cwd=Path(__file__).resolve().parent.parent, stdout=sys.stderr)
    if done.returncode != 0:
        sys.exit(f"the network could not be exported as {form}")


def images_of(name):
    """Random images, [batch, channels, height, width]."""
    (work,) = chosen(name)
    side = SIZES.get(work.model, 32)
    return work, numpy.random.default_rng(0).standard_normal((work.batch, 3, side, side), numpy.float32)

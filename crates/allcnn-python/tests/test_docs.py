"""The examples of docs/PYTHON.md as they stand there, one after the other."""

import contextlib
import io
import os
import re
import tempfile
import unittest
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[3] / "docs/PYTHON.md"


def examples():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def flowers():
    """The file that the page's first example reads: 480 pictures of three colours."""
    random = np.random.default_rng(0)
    labels = np.tile(["bluebell", "poppy", "daisy"], 160)
    colors = {"bluebell": (60, 60, 200), "poppy": (200, 40, 40), "daisy": (230, 230, 210)}
    images = np.array([colors[label] for label in labels])[:, None, None, :] + random.integers(-25, 25, (480, 32, 32, 3))
    np.savez("flowers.npz", images=images.astype(np.uint8), labels=labels)


class Page(unittest.TestCase):
    def test_every_example_runs(self):
        known = {}
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                flowers()
                with contextlib.redirect_stdout(io.StringIO()):
                    for example in examples():
                        exec(example, known)
                self.assertTrue(os.path.exists("runs/flowers/run.toml"))
                self.assertGreater(os.path.getsize("stripes.onnx"), 10_000)
            finally:
                os.chdir(before)
        self.assertGreater(known["clf"].score(known["X"][400:], known["y"][400:]), 0.9)
        self.assertLess(known["wrong"].mean(), 0.2)
        self.assertEqual(known["maps"].shape, (200, 32, 32, 3))

"""Small pictures that are learned in a moment, and a network for them."""

import numpy as np

NETWORK = """
name = "tiny"
input = [16, 16, 3]
layers = [
  { conv = 8, kernel = 3, stride = 2 },
  { conv = 8, kernel = 3, stride = 2, dropout = 0.2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"""

COLORS = {"blue": (10, 20, 180), "green": (20, 180, 10), "red": (190, 20, 10)}


def pictures(each, seed=0):
    """`each` noisy pictures of each colour, mixed, and the colours' names."""
    random = np.random.default_rng(seed)
    y = np.tile(list(COLORS), each)
    X = np.array([COLORS[name] for name in y], dtype=np.int64)[:, None, None, :]
    return np.clip(X + random.integers(-40, 40, (len(y), 16, 16, 3)), 0, 255).astype(np.uint8), y


def network(folder):
    """The path of the network's file."""
    path = f"{folder}/tiny.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(NETWORK)
    return path

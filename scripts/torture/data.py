"""Networks and pictures small enough that a training takes a second or two."""

NETWORK = """
name = "tiny"
input = [32, 32, 3]
layers = [
  { conv = 8, kernel = 3, stride = 2 },
  { conv = 8, kernel = 3, stride = 2, dropout = 0.2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"""
# Whitening is fitted in a moment for pictures of 8x8.
SMALL_NETWORK = """
name = "small"
input = [8, 8, 3]
layers = [
  { conv = 8, kernel = 3 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"""

# What is trained: pictures in memory, whitened ones (whose fit is cached), and files on disk with a validation split.
TRAININGS = {
    "memory": ["--model", "tiny.toml", "--limit", "1500", "--epochs", "14"],
    "whitened": ["--model", "small.toml", "--limit", "1000", "--epochs", "12", "--preprocess", "gcn-zca"],
    "disk": ["--model", "tiny.toml", "--data", "pictures", "--augment", "crop-flip", "--epochs", "9"],
}
SWEEP = ["--models", "tiny.toml,small.toml", "--data", "shapes", "--holdout", "10%", "--limit", "1500", "--epochs", "6"]
SWEEP += ["--learning-rates", "0.05,0.02", "--recipe", "quick"]
EXPERIMENTS = 4


def write(folder, dice):
    """Writes the networks, and pictures in splits and classes as PPM files."""
    (folder / "tiny.toml").write_text(NETWORK)
    (folder / "small.toml").write_text(SMALL_NETWORK)
    for split, pictures in (("train", 120), ("val", 20), ("test", 20)):
        for place, name in enumerate(("blue", "green", "red")):
            below = folder / "pictures" / split / name
            below.mkdir(parents=True)
            for number in range(pictures):
                width, height = dice.randint(33, 48), dice.randint(33, 48)
                pixels = bytearray(dice.randbytes(width * height * 3))
                pixels[2 - place :: 3] = bytes(value // 2 + 100 for value in pixels[2 - place :: 3])
                (below / f"{number:03}.ppm").write_bytes(b"P6 %d %d 255\n" % (width, height) + pixels)

"""The works that are measured. A work fixes the network, the batch, the numerics and the quantity; every program does
the same."""

from dataclasses import asdict, dataclass
from fnmatch import fnmatch

CIFAR_NETWORKS = [
    f"{family}-{base}" for base in "abc" for family in ("model", "strided-cnn", "convpool-cnn", "all-cnn")
]


@dataclass(frozen=True)
class Work:
    name: str
    # train: a whole step (forward, loss, backward, SGD with momentum and weight decay); infer: a forward pass;
    # explain: a forward pass and guided backpropagation of the winning logit to the image.
    what: str
    model: str
    batch: int
    precision: str = "f32"
    # images_per_s, or peak_memory_mb: the largest resident set of a process that does nothing else.
    quantity: str = "images_per_s"
    # Repeats of `allcnn bench`, after its warm-up.
    repeat: int = 3
    # cpu or cuda: both sides run there.
    device: str = "cpu"

    @property
    def measures_memory(self):
        return self.quantity == "peak_memory_mb"

    def description(self):
        return asdict(self)


WORKS = [
    Work("train-all-cnn-c-bf16", "train", "all-cnn-c", 128, precision="bf16"),
    *(Work(f"train-{model}", "train", model, 128) for model in CIFAR_NETWORKS),
    Work("infer-all-cnn-c", "infer", "all-cnn-c", 128, repeat=9),
    Work("infer-all-cnn-c-bf16", "infer", "all-cnn-c", 128, precision="bf16", repeat=9),
    Work("infer-all-cnn-c-batch-1", "infer", "all-cnn-c", 1, repeat=200),
    Work("explain-all-cnn-c-batch-1", "explain", "all-cnn-c", 1, repeat=200),
    Work("train-imagenet-all-cnn-b", "train", "imagenet-all-cnn-b", 16),
    Work("train-large-all-cnn", "train", "large-all-cnn", 4),
    Work("memory-all-cnn-c", "train", "all-cnn-c", 128, quantity="peak_memory_mb"),
    Work("memory-all-cnn-c-bf16", "train", "all-cnn-c", 128, precision="bf16", quantity="peak_memory_mb"),
    # f32 with TF32 factors on both sides.
    Work("cuda-train-all-cnn-c-bf16", "train", "all-cnn-c", 128, precision="bf16", repeat=200, device="cuda"),
    Work("cuda-train-all-cnn-c", "train", "all-cnn-c", 128, repeat=200, device="cuda"),
    Work("cuda-infer-all-cnn-c-bf16", "infer", "all-cnn-c", 1024, precision="bf16", repeat=100, device="cuda"),
    Work("cuda-infer-all-cnn-c", "infer", "all-cnn-c", 1024, repeat=100, device="cuda"),
    Work("cuda-train-imagenet-all-cnn-b-bf16", "train", "imagenet-all-cnn-b", 64, precision="bf16", repeat=50, device="cuda"),
]

# The table of README.md: (cap, works). The caps that a machine has nothing above are left out.
TABLE = [
    (None, "train-all-cnn-c,train-all-cnn-c-bf16,train-model-a,train-strided-cnn-b,infer-all-cnn-c,"
           "infer-all-cnn-c-bf16,infer-all-cnn-c-batch-1,explain-all-cnn-c-batch-1,train-imagenet-all-cnn-b,"
           "train-large-all-cnn,memory-all-cnn-c,memory-all-cnn-c-bf16"),
    ("avx512-bf16", "train-all-cnn-c,train-all-cnn-c-bf16,infer-all-cnn-c,infer-all-cnn-c-bf16,"
                    "infer-all-cnn-c-batch-1,explain-all-cnn-c-batch-1"),
    ("avx2", "train-all-cnn-c,infer-all-cnn-c,infer-all-cnn-c-batch-1"),
]


def chosen(patterns, device=None):
    """The works (of a device) whose names match one of the comma-separated patterns; raises ValueError where one
    matches none."""
    patterns, works = patterns.split(","), [work for work in WORKS if device in (None, work.device)]
    for pattern in patterns:
        if not any(fnmatch(work.name, pattern) for work in works):
            names = ", ".join(work.name for work in works)
            raise ValueError(f"no work is called {pattern}: expected names or patterns with * of: {names}")
    return [work for work in works if any(fnmatch(work.name, pattern) for pattern in patterns)]

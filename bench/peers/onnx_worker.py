"""A process that runs a work's network in onnxruntime: `python -m peers.onnx_worker WORK THREADS`.

PyTorch exports it with constant folding, onnxruntime optimizes the graph as far as it can.
"""

import sys
import tempfile
from pathlib import Path

from .serving import serve  # first: it keeps standard output for itself

import onnxruntime

from .exported import export, images_of


def main():
    name, threads = sys.argv[1:]
    work, images = images_of(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export(name, "onnx", path)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    serve(lambda: session.run(None, {"images": images}), work.batch, f"onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()

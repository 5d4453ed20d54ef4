"""A process that runs a work's network in onnxruntime: `python -m peers.onnx_worker WORK THREADS`.

PyTorch exports it with constant folding, onnxruntime optimizes the graph as far as it can.
"""

import sys
import tempfile
from pathlib import Path

import numpy
import onnxruntime
import torch

from .networks import network
from .serving import serve
from .works import chosen


def main():
    name, threads = sys.argv[1:]
    (work,) = chosen(name)
    net, size, _ = network(work.model)
    images = torch.randn(work.batch, *size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(net.eval(), (images,), path, dynamo=False, do_constant_folding=True, input_names=["images"])
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {"images": numpy.ascontiguousarray(images.numpy())}
    serve(lambda: session.run(None, feed), work.batch, f"onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()

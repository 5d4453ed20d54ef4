"""Writes a work's network for other programs, in a process of its own: PyTorch would stay in theirs, and OpenVINO fails
beside its oneDNN. `python -m peers.export WORK onnx|torchscript FILE`."""

import sys

import torch

from .networks import network
from .works import chosen


def main():
    name, form, path = sys.argv[1:]
    (work,) = chosen(name)
    net, size, _ = network(work.model)
    images = torch.randn(work.batch, *size)
    if form == "onnx":
        torch.onnx.export(net.eval(), (images,), path, dynamo=False, do_constant_folding=True, input_names=["images"])
    else:
        torch.jit.trace(net.eval(), images).save(path)


if __name__ == "__main__":
    main()

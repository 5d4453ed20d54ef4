"""A convolution in a peer, for the log of its oneDNN: `ONEDNN_VERBOSE=1 python -m peers.isa_probe pytorch|openvino`."""

import sys

import numpy

SIZE, KERNEL = [8, 64, 32, 32], [64, 64, 3, 3]


def pytorch():
    import torch

    with torch.inference_mode():
        torch.nn.functional.conv2d(torch.ones(SIZE), torch.ones(KERNEL))


def openvino():
    import openvino
    from openvino import opset13

    images = opset13.parameter(SIZE, numpy.float32)
    kernel = opset13.constant(numpy.ones(KERNEL, numpy.float32))
    out = opset13.convolution(images, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    settings = {"INFERENCE_PRECISION_HINT": "f32"}  # where bf16 is the default it would be computed with more than the cap
    model = openvino.Core().compile_model(openvino.Model([out], [images]), "CPU", settings)
    model.create_infer_request().infer({0: numpy.ones(SIZE, numpy.float32)})


if __name__ == "__main__":
    {"pytorch": pytorch, "openvino": openvino}[sys.argv[1]]()

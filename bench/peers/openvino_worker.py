"""A process that runs a work's network in OpenVINO: `python -m peers.openvino_worker WORK THREADS`.

The latency hint is its best way where all threads do one batch; the precision hint decides between f32 and bf16, which
is f32 by itself only without AMX and AVX512_BF16.
"""

import sys
import tempfile
from pathlib import Path

from .serving import serve  # first: it keeps standard output for itself

import openvino

from .exported import export, images_of


def main():
    name, threads = sys.argv[1:]
    work, images = images_of(name)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": int(threads)}
    settings["INFERENCE_PRECISION_HINT"] = work.precision
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export(name, "onnx", path)
        request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()

    def step():
        request.infer({0: images}, share_inputs=True, share_outputs=True)

    serve(step, work.batch, f"OpenVINO {openvino.__version__}")


if __name__ == "__main__":
    main()

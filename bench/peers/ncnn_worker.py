"""A process that runs a work's network in ncnn, one image at a time: `python -m peers.ncnn_worker WORK THREADS`.

pnnx converts it from PyTorch. f32 throughout, with ncnn's Winograd kernels, as it chooses by itself.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from .serving import serve  # first: it keeps standard output for itself

import ncnn

from .exported import export, images_of


def main():
    name, threads = sys.argv[1:]
    work, (image, *_) = images_of(name)
    net = ncnn.Net()
    net.opt.num_threads = int(threads)
    net.opt.use_vulkan_compute = net.opt.use_fp16_storage = net.opt.use_bf16_storage = False
    with tempfile.TemporaryDirectory() as folder:
        export(name, "torchscript", Path(folder) / "network.pt")
        pnnx = shutil.which("pnnx", path=sysconfig.get_path("scripts")) or shutil.which("pnnx")
        if pnnx is None:
            sys.exit("no pnnx, which converts networks for ncnn")
        shape = ",".join(map(str, [1, *image.shape]))
        command = [pnnx, "network.pt", f"inputshape=[{shape}]", "fp16=0"]
        subprocess.run(command, cwd=folder, stdout=sys.stderr, check=True)
        failed = net.load_param(f"{folder}/network.ncnn.param") or net.load_model(f"{folder}/network.ncnn.bin")
    if failed:
        sys.exit("ncnn does not read what pnnx wrote")

    def step():
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(image).clone())
        failed, _ = extractor.extract("out0")
        if failed:
            sys.exit(f"ncnn failed with code {failed}")

    serve(step, work.batch, f"ncnn {ncnn.__version__}")


if __name__ == "__main__":
    main()

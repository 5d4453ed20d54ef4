"""The machine in words and numbers, for whoever reads the figures later."""

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path

# Instruction sets that decide how fast matrix products are.
ISA = [
    "avx2", "fma", "f16c", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "avx_vnni", "amx_tile", "amx_bf16", "amx_int8", "asimd", "bf16", "sve",
]
PACKAGES = ["torch", "torchvision", "captum", "numpy", "onnx", "onnxruntime", "openvino", "ncnn", "pnnx"]


def describe(binary, threads):
    cpu = cpu_info()
    return {
        "cpu": cpu.get("model name", platform.processor()),
        "isa": [flag for flag in ISA if flag in flags()],
        "gpu": first_line("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"),
        "cores": os.cpu_count(),
        "threads": threads,
        "l2_cache_bytes": first_line("getconf", "LEVEL2_CACHE_SIZE"),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_average": os.getloadavg(),
        "versions": versions(binary),
    }


def cpu_info():
    """The first processor of /proc/cpuinfo."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().split("\n\n")[0].splitlines() if info.exists() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def flags():
    """The instruction sets of the first processor."""
    cpu = cpu_info()
    return cpu.get("flags", cpu.get("Features", "")).split()


def versions(binary):
    found = {"allcnn": first_line(binary, "--version"), "commit": first_line("git", "describe", "--always", "--dirty")}
    found |= {"python": platform.python_version(), "c++": first_line("c++", "--version")}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def first_line(*command):
    """What a program says of itself; None where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:
        return None
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else None

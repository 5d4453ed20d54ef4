"""The programs that are measured, each with its ways of doing a work."""

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import caps
from .works import CIFAR_NETWORKS

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent
BURN = BENCH / "burn/target/release/burn-peer"


# Seconds that a program may take for an answer; compiling a network takes minutes.
PATIENCE = 1800


class Failed(Exception):
    """A program did not do its work; the message says why."""


class Allcnn:
    """`allcnn bench`: each measurement is a process of its own."""

    def __init__(self, binary, work, threads, cap):
        self.work, self.cap, self.environment = work, cap, os.environ | caps.environment(cap)
        self.command = [binary, "bench", "--json", "--quiet", "--model", work.model, "--batch", str(work.batch)]
        self.command += ["--what", work.what, "--precision", work.precision, "--repeat", str(work.repeat)]
        self.command += ["--threads", str(threads), "--device", work.device]
        self.version = None

    def measure(self):
        try:
            done = subprocess.run(
                self.command, capture_output=True, text=True, cwd=REPOSITORY, env=self.environment, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"no answer in {PATIENCE} seconds") from None
        if done.returncode != 0:
            raise Failed(last_words(done.stderr))
        document = json.loads(done.stdout)
        device = document["device"]
        self.version = f"allcnn on {device}, {document['precision']}"
        if self.cap and not caps.is_within(device.partition("(")[2].partition(",")[0], self.cap):
            raise Failed(f"the cap {self.cap} does not act: it computes on {device}")
        speed = document[f"{self.work.what}_images_per_s"]
        measurement = {"images_per_s": speed, "peak_memory_mb": document["peak_memory_mb"]}
        return measurement | {"machine": document.get("machine")}

    def close(self):
        pass


class Worker:
    """A process that prepares a work once and measures it on request. In between it is stopped, so that no idle
    thread of it takes time from the others."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, cwd=BENCH, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            start_new_session=True,  # a group that can be stopped and ended as a whole, compilers included
        )
        try:
            self.version = self.answer()["version"]
            self.signal(signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def measure(self):
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write("measure\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        result = self.answer()
        self.signal(signal.SIGSTOP)
        return result

    def answer(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise Failed(f"no answer in {PATIENCE} seconds")
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        raise Failed(last_words(self.errors.read()) or f"it ended with code {self.process.returncode}")

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass  # it ended; the next answer says so

    def close(self):
        self.signal(signal.SIGKILL)
        self.process.communicate()
        self.errors.close()


def last_words(text):
    """The last lines that a program wrote, where errors say what they are."""
    return "\n".join(text.strip().splitlines()[-3:])


def programs(work, peers, binary, threads, cap):
    """({name: how to start it}, {name: why it is left out}); a name is that of the program and its way."""
    starts, left_out = {"allcnn": lambda: Allcnn(binary, work, threads, cap)}, {}
    environment = os.environ | caps.environment(cap)

    def python(module, *arguments):
        command = [sys.executable, "-W", "ignore", "-m", f"peers.{module}", work.name, *arguments, str(threads)]
        return lambda: Worker(command, environment)

    def missing(*packages):
        lacking = [package for package in packages if importlib.util.find_spec(package) is None]
        return f"no {' and no '.join(lacking)} for {sys.executable}" if lacking else None

    if "pytorch" in peers:
        for way in torch_ways(work):
            reason = missing("torch", "captum") if way == "captum" else missing("torch")
            (left_out if reason else starts)[f"PyTorch {way}"] = reason or python("torch_worker", way)
    if work.device == "cuda":
        return starts, left_out  # the others are measured on processors
    infers = work.what == "infer"
    if "onnxruntime" in peers and infers and work.precision == "f32":
        reason = missing("torch", "onnx", "onnxruntime")
        (left_out if reason else starts)["onnxruntime"] = reason or python("onnx_worker")
    if "openvino" in peers and infers:
        reason = missing("torch", "onnx", "openvino")
        (left_out if reason else starts)["OpenVINO"] = reason or python("openvino_worker")
    if "ncnn" in peers and infers and work.precision == "f32" and work.batch == 1:  # it has no batches
        reason = missing("torch", "ncnn", "pnnx")
        (left_out if reason else starts)["ncnn"] = reason or python("ncnn_worker")
    if "burn" in peers and work.model in CIFAR_NETWORKS and work.what != "explain" and work.precision == "f32":
        command = [BURN, "--serve", "--model", work.model, "--batch", str(work.batch), "--what", work.what]
        command += ["--repeat", str(1 if work.batch > 1 else 20), "--threads", str(threads)]
        if BURN.exists():
            starts["Burn Flex"] = lambda: Worker(command, environment)
        else:
            left_out["Burn Flex"] = "not built: cargo build --release --manifest-path bench/burn/Cargo.toml"
    return starts, left_out


def torch_ways(work):
    """The ways of running PyTorch. Inference in bf16 may also convert the network once instead of autocasting."""
    if work.what == "explain":
        return ["hooks", "hooks_channels_last", "captum"]
    converted = ["converted"] if work.what == "infer" and work.precision == "bf16" else []
    return ["plain", "channels_last", "compile", *converted]

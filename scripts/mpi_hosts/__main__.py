"""See mpi_hosts.sh."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from network import Hosts

NETWORK = """
name = "tiny"
input = [32, 32, 3]
layers = [
  { conv = 16, kernel = 3, stride = 2 },
  { conv = 32, kernel = 3, stride = 2, dropout = 0.2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"""
TRAIN = ["train", "--data", "shapes", "--shards", "4", "--threads", "1", "--quiet"]
SHORT = ["--limit", "640", "--batch", "32", "--epochs", "2"]
LONG = ["--limit", "4000", "--batch", "32", "--epochs", "12"]
MINUTE = 60


class Trial:
    def __init__(self, program, hosts, folder):
        self.program, self.hosts, self.folder = program, hosts, Path(folder)
        (self.folder / "tiny.toml").write_text(NETWORK)

    def command(self, out, more):
        return [self.program, *TRAIN, "--model", self.folder / "tiny.toml", "--out", self.folder / out, *more]

    def resume(self, out):
        return [self.program, "train", "--threads", "1", "--quiet", "--resume", self.folder / out]

    def alone(self, out, more):
        subprocess.run(self.command(out, more), check=True, capture_output=True)
        return self.weights(out)

    def weights(self, out):
        return hashlib.sha256((self.folder / out / "last.safetensors").read_bytes()).hexdigest()

    def wait_for_checkpoint(self, out, job):
        while not (self.folder / out / "last.safetensors").exists():
            if job.poll() is not None:
                sys.exit(f"the training ended before a checkpoint: {job.communicate()[1]}")
            time.sleep(0.01)

    def finish(self, job, what):
        said = job.communicate()[1]
        if job.returncode != 0:
            sys.exit(f"{what}: code {job.returncode}\n{said}")

    def same(self, what, ours, theirs):
        if ours != theirs:
            sys.exit(f"{what}: other weights than those of one process")
        print(f"{what}: the same bits", flush=True)


def networks(trial):
    """The weights do not depend on the network."""
    alone = trial.alone("alone", SHORT)
    for name, processes, delay, loss in [("two", 2, 0, 0), ("four", 4, 0, 0), ("late", 4, 0.01, 0), ("lossy", 4, 0.002, 0.01)]:
        trial.hosts.switch.delay, trial.hosts.switch.loss = delay, loss
        trial.finish(trial.hosts.mpirun(processes, trial.command(name, SHORT)), name)
        trial.hosts.mend()
        trial.same(f"{processes} hosts, {1000 * delay:g} ms and {100 * loss:g} % loss a frame", trial.weights(name), alone)


def cut_link(trial):
    """A host that cannot be reached any more ends all processes within a minute, and the run goes on elsewhere."""
    whole = trial.alone("whole", LONG)
    job = trial.hosts.mpirun(4, trial.command("cut", LONG))
    trial.wait_for_checkpoint("cut", job)
    trial.hosts.cut("h2")
    began = time.monotonic()
    try:
        _, said = job.communicate(timeout=2 * MINUTE)
    except subprocess.TimeoutExpired:
        sys.exit("a link was cut, and the job goes on after two minutes")
    took = time.monotonic() - began
    if pids(trial.program):
        sys.exit("the job ended, and left processes behind")
    lost = [line for line in said.splitlines() if "cannot be reached" in line]
    if not lost and "h2" not in said:
        sys.exit(f"nobody names the host that was lost:\n{said}")
    print(f"link of h2 cut: ended after {took:.0f} s: {(lost or ['mpirun names h2'])[0]}", flush=True)
    if took > MINUTE:
        sys.exit("that is more than a minute")
    trial.hosts.mend()
    trial.finish(trial.hosts.mpirun(2, trial.resume("cut")), "resumed")
    trial.same("resumed by two hosts", trial.weights("cut"), whole)


def kills(trial, count, seed):
    """`until mpirun ...`: killed at random moments, each time gone on with by another number of processes. One training after the
    other, until there were so many kills."""
    whole = trial.alone("never-killed", LONG)
    numbers, done, trainings = random.Random(seed), 0, 0
    while done < count:
        trainings += 1
        done += until_it_ends(trial, f"killed-{trainings}", numbers, count - done)
        trial.same(f"{done} kills and restarts in {trainings} trainings", trial.weights(f"killed-{trainings}"), whole)


def until_it_ends(trial, out, numbers, most):
    """Trains to the end whatever it takes; returns the number of kills, at most so many."""
    done, command = 0, trial.command(out, LONG)
    while True:
        job = trial.hosts.mpirun(numbers.choice([1, 2, 4]), command)
        if done < most:
            time.sleep(numbers.uniform(0.5, 2.0))
            done += kill(numbers.choice(pids(trial.program) or [job.pid]))
        job.communicate()
        if job.returncode == 0:
            return done
        if (trial.folder / out / "run.toml").exists():
            command = trial.resume(out)


def kill(pid):
    """1 if the process was there."""
    try:
        os.kill(pid, signal.SIGKILL)
        return 1
    except ProcessLookupError:
        return 0


def pids(program):
    """The processes of a program."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "exe").resolve() == Path(program).resolve():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def measure(trial):
    """Seconds of a step of All-CNN-C in shards of 16 images, by hosts and delay of a frame."""
    figures = []
    for processes, delay in [(1, 0), (2, 0), (2, 0.001), (2, 0.002), (2, 0.005), (2, 0.01), (2, 0.02)]:
        trial.hosts.switch.delay = delay
        out = f"measured-{processes}-{delay}"
        steps = [trial.program, "train", "--data", "shapes", "--shards", processes, "--batch", 16 * processes, "--threads", 1, "--quiet"]
        steps += ["--json", "--limit", 16 * processes * 40, "--epochs", 1, "--out", trial.folder / out]
        job = trial.hosts.mpirun(processes, steps)
        said, errors = job.communicate()
        if job.returncode != 0:
            sys.exit(errors)
        rate = json.loads(said)["images_per_s"]
        figures.append({"processes": processes, "delay_ms": 1000 * delay, "step_s": 16 * processes / rate})
        print(json.dumps(figures[-1]), flush=True)
        trial.hosts.mend()


def main():
    program, *given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        hosts = Hosts(4, folder)
        try:
            trial = Trial(program, hosts, folder)
            if given == ["--measure"]:
                measure(trial)
                return
            networks(trial)
            cut_link(trial)
            kills(trial, int(given[0]) if given else 20, seed=1)
        finally:
            hosts.close()


if __name__ == "__main__":
    main()

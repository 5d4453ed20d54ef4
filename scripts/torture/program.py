"""The program as a process that is started, signalled, and has to end in one of the ways that are documented."""

import os
import random
import shlex
import signal
import subprocess
import time
from pathlib import Path

# Whatever is let go has to end by then.
PATIENCE_S = 180


class Broken(Exception):
    """The program did what it must not do."""


class Scene:
    """A round: its folder, its own dice, what was done so far, and the counts of all rounds."""

    def __init__(self, binary, folder, name, counts):
        self.binary, self.folder, self.counts = binary, folder, counts
        self.dice = random.Random(name)
        self.began = time.monotonic()
        self.log = []
        self.processes = []

    def count(self, what, times=1):
        self.counts[what] += times

    def note(self, text):
        self.log.append(f"{time.monotonic() - self.began:8.3f}  {text}")

    def start(self, *arguments, **environment):
        process = Process(self, [str(word) for word in arguments], environment)
        self.processes.append(process)
        return process

    def alive(self):
        return [process for process in self.processes if process.is_alive()]

    def end_all(self):
        """Leaves no process behind, however the round ended."""
        for process in self.alive():
            process.child.kill()
            process.child.wait()


class Process:
    """One start of the program."""

    # What an exit code 1 may say.
    FAILURES = {
        "refused": "is being written by",
        "taken over": "was taken over by another process",
        "occupied": "already holds a run",
        "no run": "is no run folder",
        "disk full": "No space left on device",
    }

    def __init__(self, scene, arguments, environment):
        self.scene = scene
        number = len(scene.processes)
        self.output = scene.folder / f"output-{number}.txt"
        settings = {**os.environ, "XDG_CACHE_HOME": str(scene.folder / "cache"), **environment}
        if "ALLCNN_DATA_URL" not in environment:
            settings.pop("ALLCNN_DATA_URL", None)
        settings.pop("ALLCNN_DATA", None)
        with open(self.output, "wb") as output:
            self.child = subprocess.Popen(
                [scene.binary, *arguments],
                cwd=scene.folder,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self.child.pid
        self.sent = set()
        scene.note(f"{self.pid} starts: {shlex.join(arguments)}")

    def is_alive(self):
        return self.child.poll() is None

    def send(self, sent):
        """Sends a signal, where there is still somebody to get it."""
        if self.is_alive():
            self.scene.note(f"{self.pid} gets {sent.name}")
            self.sent.add(sent)
            self.child.send_signal(sent)

    def said(self):
        return self.output.read_text(errors="replace")

    def wait(self, seconds=PATIENCE_S):
        """How it ended, in a word; an end that is not documented is a fault."""
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Broken(f"process {self.pid} does not come to its end in {seconds} s") from None
        said = self.said()
        how = self.word(code, said)
        self.scene.note(f"{self.pid} ends: {how} ({code})")
        if how is None or "panicked" in said:
            raise Broken(f"process {self.pid} ended with {code}:\n{said}")
        return how

    def expect(self, *words):
        """Waits for an end that has to be one of these."""
        how = self.wait()
        if how not in words:
            raise Broken(f"process {self.pid}: {how}, expected {' or '.join(words)}:\n{self.said()}")
        return how

    def word(self, code, said):
        if code == 0:
            return "done"
        if code == -signal.SIGKILL and signal.SIGKILL in self.sent:
            return "killed"
        if signal.SIGTERM in self.sent and code in (130, -signal.SIGTERM):
            # Before the first step there is nothing to save, and the signal ends the program as any other.
            return "interrupted"
        if code == 1:
            error = said[said.rfind("error: ") :] if "error: " in said else ""
            if not error or len(error.splitlines()) > 3:
                return None
            named = (word for word, part in self.FAILURES.items() if part in error)
            return next(named, "failed")
        return None

    def kill(self):
        if self.is_alive():
            self.scene.count("kills")
        self.send(signal.SIGKILL)
        return self.expect("killed", "done", "interrupted", "refused", "taken over", "disk full", "failed")

    def stop(self):
        """Stops it as a laptop's lid does; false where it has ended."""
        self.send(signal.SIGSTOP)
        deadline = time.monotonic() + 5
        while self.is_alive() and time.monotonic() < deadline:
            try:
                state = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except FileNotFoundError:
                break
            if state == "T":
                self.scene.count("stops")
                return True
            time.sleep(0.0005)
        return False

    def go_on(self):
        self.send(signal.SIGCONT)

    def disturb(self, until):
        """Lets it run until a random moment of its work, or to its end: then false."""
        deadline = time.monotonic() + until.longest
        while self.is_alive() and time.monotonic() < deadline and not until.has_come():
            time.sleep(0.0003)
        return self.is_alive()


class Moment:
    """When something is done to a process: after a random time, or as soon as a file is being written or was."""

    def __init__(self, dice, folder, longest):
        self.folder, self.longest = folder, longest
        self.kind = dice.choice(["time", "time", "being written", "written", "claimed"])
        if self.kind == "time":
            self.longest = dice.random() ** 2 * longest
        self.file = dice.choice(["last.safetensors", "best.safetensors", "metrics.csv", "run.toml", "report.html"])
        self.skip = dice.choice([0, 0, 1, 2, 5])
        self.before = self.look()

    def has_come(self):
        if self.kind == "time" or self.look() == self.before:
            return False
        if self.kind == "being written" and not self.look():
            return False
        if self.skip:
            self.skip -= 1
            self.before = self.look()
            return False
        return True

    def look(self):
        try:
            if self.kind == "being written":
                return sorted(name for name in os.listdir(self.folder) if name.startswith(".writing-"))
            if self.kind == "claimed":
                return sorted(os.listdir(self.folder / ".claims"))
            return os.stat(self.folder / self.file).st_mtime_ns
        except OSError:
            return None

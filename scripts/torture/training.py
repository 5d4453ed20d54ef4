"""A training that is killed, stopped, put to sleep, doubled and left without room, until it is done."""

import os
import shutil
import signal
import subprocess
import time

import claims
import data
import folders
from program import Broken, Moment

# A run of each kind takes no more.
DISK_KIB = 4096
DISTURBANCES = 14
# Seconds by which clocks are wrong.
JUMPS = (-(10**8), -86400, -600, -60, 60, 600, 86400, 10**8)


class Undisturbed:
    """Trainings that nothing happened to, made when they are first needed."""

    def __init__(self, scene):
        self.scene, self.runs = scene, {}

    def of(self, kind, seed):
        """The run and the seconds that it took."""
        if (kind, seed) not in self.runs:
            run = self.scene.folder / f"whole-{kind}-{seed}"
            began = time.monotonic()
            self.scene.start("train", *arguments(kind, seed), "--out", run.name).expect("done")
            self.runs[kind, seed] = (run, time.monotonic() - began)
        return self.runs[kind, seed]


def arguments(kind, seed):
    return [*data.TRAININGS[kind], "--batch", "32", "--seed", seed]


class Training:
    """One round."""

    def __init__(self, scene, undisturbed, has_disk):
        self.scene, self.dice = scene, scene.dice
        self.kind, self.seed = self.dice.choice(sorted(data.TRAININGS)), self.dice.randrange(2)
        self.whole, self.seconds = undisturbed.of(self.kind, self.seed)
        for name in ("tiny.toml", "small.toml", "pictures"):
            os.symlink(undisturbed.scene.folder / name, scene.folder / name)
        self.disk = SmallDisk(scene.folder / "disk") if has_disk and self.dice.random() < 0.5 else None
        self.run = scene.folder / "disk" / "run" if self.disk else scene.folder / "run"
        self.step = 0

    def play(self):
        try:
            for _ in range(self.dice.randint(3, DISTURBANCES)):
                actions = [self.kill, self.kill, self.end, self.pause, self.race, self.take_over, self.move_clock]
                actions += [self.fill_disk] * 3 if self.disk else []
                action = self.dice.choice(actions)
                self.scene.note(action.__name__)
                action()
                self.look()
                if self.is_done() and self.dice.random() < 0.6:
                    break
            self.finish()
        finally:
            self.scene.end_all()
            if self.disk:
                self.disk.close()

    # What is done to it.

    def kill(self):
        process = self.begin()
        process.disturb(self.moment())
        process.kill()

    def end(self):
        process = self.begin()
        process.disturb(self.moment())
        self.scene.count("ends asked for")
        for _ in range(self.dice.choice([1, 1, 2, 3])):
            process.send(signal.SIGTERM)
            time.sleep(0.001)
        if self.dice.random() < 0.2:
            time.sleep(self.dice.random() * 0.1)
            process.kill()
        else:
            process.expect("interrupted", "done")

    def pause(self):
        """Stopped and gone on with; meanwhile nobody else gets the run, whatever the clocks say."""
        process = self.begin()
        process.disturb(self.moment())
        owned = self.owns(process)
        if process.stop():
            if owned and self.owns(process):
                if self.dice.random() < 0.5:
                    self.move_clocks()
                self.begin().expect("refused")
                self.scene.count("refusals")
            process.go_on()
        self.let_go(process)

    def race(self):
        """Two or three at once: one gets the run."""
        rivals = [self.begin() for _ in range(self.dice.choice([2, 2, 3]))]
        rivals[0].disturb(self.moment())
        if self.dice.random() < 0.5:
            self.dice.choice(rivals).kill()
        how = [rival.expect("done", "refused", "occupied", "killed") for rival in rivals]
        self.scene.count("refusals", how.count("refused") + how.count("occupied"))
        if "killed" not in how and "done" not in how and "occupied" not in how:
            raise Broken(f"nobody got the run: {', '.join(how)}")

    def take_over(self):
        """The machine of one falls asleep, another takes the run over, the first one wakes up."""
        asleep = self.begin()
        asleep.disturb(self.moment())
        if not asleep.stop() or not claims.move_to_other_machine(self.run, asleep.pid):
            asleep.go_on()  # it has ended, or owns nothing
            self.let_go(asleep)
            return
        all_written, newest = self.is_done(), claims.newest(self.run)
        other = self.begin()
        other.disturb(self.moment())
        is_lost = claims.newest(self.run) > newest
        self.scene.count("takeovers", is_lost)
        wakes = self.dice.choice(["beside the other", "after its kill", "after its end", "after its end"])
        if wakes == "after its kill":
            other.kill()
        elif wakes == "after its end":
            other.expect("done")
            is_lost = True
        asleep.go_on()
        # Of one that woke before the other had begun, either may get the run.
        self.let_go(other, *([] if is_lost else ["refused"]))
        how = asleep.expect("taken over", "done")
        if how == "done" and is_lost and not all_written:
            raise Broken(f"process {asleep.pid} had lost the run and went on to its end")

    def move_clock(self):
        """With nobody at it, the times of the claims say nothing that keeps anyone out."""
        self.move_clocks(dead=True)
        self.kill()

    def fill_disk(self):
        process = None
        if self.dice.random() < 0.5:
            process = self.begin()
            process.disturb(self.moment())
        self.disk.fill(self.dice.choice([0, 0, 4, 8, 16, 32, 64, 128, 256]))
        self.scene.count("full disks")
        process = process or self.begin()
        if self.dice.random() < 0.3:
            process.disturb(self.moment())
            if self.dice.random() < 0.5:
                self.disk.empty()
        how = process.kill() if self.dice.random() < 0.2 else process.expect("disk full", "done")
        self.disk.empty()
        self.scene.note(f"with a full disk: {how}")

    # The parts of that.

    def begin(self):
        """Begins the training, or goes on with it."""
        threads = ["--threads", self.dice.choice([1, 1, 2])]
        if (self.run / "run.toml").is_file():
            return self.scene.start("train", "--resume", self.name(), *threads)
        return self.scene.start("train", *arguments(self.kind, self.seed), "--out", self.name(), *threads)

    def name(self):
        return str(self.run.relative_to(self.scene.folder))

    def moment(self):
        return Moment(self.dice, self.run, 0.6 * self.seconds)

    def is_done(self):
        return (self.run / "report.html").is_file()

    def let_go(self, process, *others):
        """Lets it come to its end, or not."""
        if self.dice.random() < 0.5:
            process.disturb(self.moment())
            process.kill()
        else:
            process.expect("done", "killed", *others)

    def owns(self, process):
        """Whether the newest claim on the run is that of a living process."""
        words = claims.read(self.run / ".claims" / f"owner.{claims.newest(self.run)}").split()
        return len(words) > 1 and words[1] == str(process.pid) and process.is_alive()

    def move_clocks(self, dead=False):
        for path in claims.claims_below(self.run):
            if dead and claims.read(path).startswith(claims.BOOT.read_text().strip()) and self.dice.random() < 0.7:
                with open(path, "r+", encoding="ascii") as file:
                    file.write(claims.OTHER_KERNEL)
                claims.touch(path, self.dice.choice([jump for jump in JUMPS if abs(jump) > 120]))
            else:
                claims.touch(path, self.dice.choice(JUMPS))
        self.scene.count("clock jumps")

    # What has to hold.

    def look(self):
        """With nobody at it: every file is whole, and no step that was saved is lost."""
        if self.scene.alive():
            raise Broken("a process was left running")
        step = folders.check_whole(self.run)
        if step < self.step:
            raise Broken(f"the checkpoint is back at step {step}, it was at step {self.step}")
        self.step = step

    def finish(self):
        for _ in range(self.dice.choice([1, 1, 2])):
            self.begin().expect("done")
        self.look()
        folders.check_no_leftovers(self.run)
        folders.compare_runs(self.run, self.whole)


class SmallDisk:
    """A file system of its own that is soon full."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        mount(path)

    def fill(self, left_kib):
        """Leaves so much room."""
        with open(self.path / "filler", "ab", buffering=0) as filler:
            size = filler.tell()
            try:
                while True:
                    size += filler.write(bytes(4096))
            except OSError:
                filler.truncate(max(0, size - left_kib * 1024))

    def empty(self):
        (self.path / "filler").unlink(missing_ok=True)

    def close(self):
        """What is on it stays in the folder, to be looked at."""
        self.empty()
        kept = self.path.with_name("disk-was")
        shutil.copytree(self.path, kept, symlinks=True)
        subprocess.run(["umount", str(self.path)], check=True)
        self.path.rmdir()
        kept.rename(self.path)


def mount(path):
    options = ["-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", str(path)]
    subprocess.run(["mount", *options], check=True, capture_output=True)


def can_mount(folder):
    """Whether this user may have a small disk."""
    place = folder / "try"
    place.mkdir()
    try:
        mount(place)
        subprocess.run(["umount", str(place)], check=True)
        return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        place.rmdir()

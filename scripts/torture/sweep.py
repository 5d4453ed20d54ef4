"""A sweep that three processes share, which are killed, put to sleep and started again."""

import json
import os
import signal
import time

import claims
import data
import folders
from program import Broken, Moment

WORKERS = 3
LONGEST_S = 4


def arguments(out):
    return ["reproduce", "table3", *data.SWEEP, "--out", out]


class Undisturbed:
    """The sweep that nothing happened to."""

    def __init__(self, scene):
        self.scene, self.sweep = scene, None

    def folder(self):
        if self.sweep is None:
            self.scene.start(*arguments("whole-sweep")).expect("done")
            self.sweep = self.scene.folder / "whole-sweep"
        return self.sweep


class Sweep:
    """One round."""

    def __init__(self, scene, undisturbed):
        self.scene, self.dice = scene, scene.dice
        self.whole = undisturbed.folder()
        for name in ("tiny.toml", "small.toml"):
            os.symlink(undisturbed.scene.folder / name, scene.folder / name)
        self.folder = scene.folder / "sweep"
        self.asleep, self.robbed = [], set()
        self.steps = {}

    def play(self):
        try:
            workers = [self.begin() for _ in range(WORKERS)]
            for _ in range(self.dice.randint(4, 16)):
                place = self.dice.randrange(WORKERS)
                worker = workers[place]
                worker.disturb(Moment(self.dice, self.some_run(), LONGEST_S))
                actions = [self.kill, self.kill, self.end, self.pause, self.put_to_sleep, self.put_to_sleep]
                self.dice.choice(actions)(worker)
                self.look()
                workers[place] = self.begin()
                if self.asleep and self.dice.random() < 0.4:
                    self.wake(self.asleep.pop(0))
            while self.asleep:
                self.wake(self.asleep.pop())
            for worker in workers:
                worker.expect("done", *self.robbery(worker))
            self.finish()
        finally:
            self.scene.end_all()

    def begin(self):
        more = ["--no-wait"] if self.dice.random() < 0.2 else []
        return self.scene.start(*arguments("sweep"), "--threads", 1, *more)

    def kill(self, worker):
        worker.kill()

    def end(self, worker):
        self.scene.count("ends asked for")
        worker.send(signal.SIGTERM)
        worker.expect("interrupted", "done", *self.robbery(worker))

    def pause(self, worker):
        if worker.stop():
            time.sleep(self.dice.random() * 0.5)
            worker.go_on()
        worker.disturb(Moment(self.dice, self.some_run(), LONGEST_S))
        worker.kill()

    def put_to_sleep(self, worker):
        """Its machine falls asleep for so long that others take over what it holds."""
        if not worker.stop():
            worker.expect("done")
            return
        if claims.move_to_other_machine(self.folder, worker.pid):
            self.scene.count("takeovers")
            self.robbed.add(worker.pid)
        self.asleep.append(worker)

    def wake(self, worker):
        worker.go_on()
        if self.dice.random() < 0.3:
            worker.disturb(Moment(self.dice, self.some_run(), LONGEST_S))
            worker.kill()
        else:
            worker.expect("done", *self.robbery(worker))

    def robbery(self, worker):
        return ["taken over"] if worker.pid in self.robbed else []

    def some_run(self):
        runs = sorted((self.folder / "runs").iterdir()) if (self.folder / "runs").is_dir() else [self.folder]
        return self.dice.choice(runs or [self.folder])

    def look(self):
        """Every file is whole at any time, and no step that was saved is lost."""
        for run in (self.folder / "runs").iterdir() if (self.folder / "runs").is_dir() else []:
            step = folders.check_whole(run)
            if step < self.steps.get(run, 0):
                raise Broken(f"{run} is back at step {step}, it was at step {self.steps[run]}")
            self.steps[run] = step
        folders.check_whole(self.folder)

    def finish(self):
        # What was left of results that were being written is taken away once it is old.
        for left in self.folder.glob(".writing-*"):
            claims.touch(left, -7200)
        last = self.scene.start(*arguments("sweep"))
        last.expect("done")
        if f"{data.EXPERIMENTS} of {data.EXPERIMENTS} trainings have ended" not in last.said():
            raise Broken(f"not all is done:\n{last.said()}")
        self.look()
        folders.check_no_leftovers(self.folder)
        runs = [sorted(run.name for run in (folder / "runs").iterdir()) for folder in (self.folder, self.whole)]
        if runs[0] != runs[1]:
            raise Broken(f"the runs are {runs[0]}, expected {runs[1]}")
        for name in runs[0]:
            run, whole = self.folder / "runs" / name, self.whole / "runs" / name
            folders.compare_runs(run, whole)
            records = [json.loads((folder / "result.json").read_text()) for folder in (run, whole)]
            if folders.without_times(records[0]) != folders.without_times(records[1]):
                raise Broken(f"{run}/result.json is not that of an undisturbed sweep")
        for name in ("results.csv", "results.md"):
            if (self.folder / name).read_bytes() != (self.whole / name).read_bytes():
                raise Broken(f"{self.folder / name} is not that of an undisturbed sweep")

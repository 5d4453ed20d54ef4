"""Rounds of kills and races until the time is up; then the table."""

import collections
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import data
import download
import sweep
import training
from program import Broken, Scene

COUNTED = ["kills", "ends asked for", "stops", "takeovers", "clock jumps", "full disks", "refusals"]


def main():
    try:
        binary, minutes = Path(sys.argv[1]).resolve(), float(sys.argv[2])
        seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
    except (IndexError, ValueError):
        print("usage: scripts/torture.sh MINUTES [SEED]: a number of minutes, a whole number", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    print(f"torture: seed {seed}, {minutes:g} minutes, in {folder}", flush=True)
    has_disk = training.can_mount(folder)
    if not has_disk:
        print("torture: SKIPPED full disks: this user cannot mount a small one", flush=True)
    if download.official() is None:
        print(f"torture: no {download.FILE} in the data folder: a stand-in is served, never to be kept", flush=True)
    counts = {"training": collections.Counter(), "sweep": collections.Counter(), "download": collections.Counter()}
    began = time.monotonic()
    broken = play(binary, folder, seed, began + 60 * minutes, has_disk, counts)
    show(counts, (time.monotonic() - began) / 60)
    if broken:
        print(f"\nlosses 1: {broken}\nseed {seed}; everything is kept in {folder}")
        return 1
    shutil.rmtree(folder)
    print("\nlosses 0")
    return 0


def play(binary, folder, seed, until, has_disk, counts):
    """Plays rounds until the time is up; what broke, or nothing."""
    first = Scene(binary, folder, seed, collections.Counter())
    data.write(folder, first.dice)
    undisturbed, whole_sweep = training.Undisturbed(first), sweep.Undisturbed(first)
    number = 0
    while time.monotonic() < until:
        number += 1
        below = folder / f"round-{number}"
        below.mkdir()
        kind = random.Random(f"{seed}/{number}").choice(["training", "training", "sweep", "download"])
        scene = Scene(binary, below, f"{seed}/{number}/{kind}", counts[kind])
        try:
            match kind:
                case "training":
                    training.Training(scene, undisturbed, has_disk).play()
                case "sweep":
                    sweep.Sweep(scene, whole_sweep).play()
                case "download":
                    download.Download(scene).play()
        except Exception as error:  # a fault of the program, or of this script: both are told
            (below / "log.txt").write_text("\n".join([*scene.log, traceback.format_exc()]))
            return f"round {number} ({kind}): {error or traceback.format_exc()}\nwhat was done is in {below}/log.txt"
        finally:
            first.end_all()
        scene.count("rounds")
        shutil.rmtree(below)
    return None


def show(counts, minutes):
    print(f"\n{'':<16}" + "".join(f"{kind:>12}" for kind in counts) + f"{'all':>12}")
    for what in ["rounds", *COUNTED]:
        numbers = [kind[what] for kind in counts.values()]
        print(f"{what:<16}" + "".join(f"{number:>12}" for number in [*numbers, sum(numbers)]))
    print(f"{'minutes':<16}{minutes:>48.1f}")


if __name__ == "__main__":
    sys.exit(main())

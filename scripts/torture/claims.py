"""The files by which processes know of each other, as a sleeping machine or a wrong clock leaves them."""

import os
import time
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
# As long as the kernel's own, so that a heartbeat that comes later puts the whole line right.
OTHER_KERNEL = "00000000-1111-2222-3333-444444444444"
# Longer than a process may be silent.
AGE_S = 600


def claims_below(folder):
    """All claims of a run or a sweep."""
    places = [(place, names) for place, _, names in os.walk(folder) if Path(place).name in (".claims", "claims")]
    found = [Path(place) / name for place, names in places for name in names]
    return [path for path in found if path.suffix[1:].isdigit()]


def newest(run):
    """The number of the newest owner of a run, 0 where there was none."""
    return max((int(path.suffix[1:]) for path in claims_below(run)), default=0)


def move_to_other_machine(folder, pid, age_s=AGE_S):
    """Makes the claims of a stopped process look like those of a machine that fell asleep long ago.

    A process of this machine keeps its claims while it is only stopped, since it still has its locks.
    """
    moved = 0
    for path in claims_below(folder):
        words = read(path).split()
        if len(words) > 1 and words[1] == str(pid):
            with open(path, "r+", encoding="ascii") as file:
                file.write(OTHER_KERNEL)
            touch(path, -age_s)
            moved += 1
    return moved


def touch(path, seconds):
    """Sets the time of a file so many seconds from now."""
    try:
        then = time.time() + seconds
        os.utime(path, (then, then))
    except FileNotFoundError:
        pass


def read(path):
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""

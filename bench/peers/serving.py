"""The workers' side of the protocol: a line of JSON when all is ready, then one for each line of standard input.

To be imported first: from then on, whatever else writes to standard output writes to standard error.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

# A measurement takes at least so long.
SECONDS = 1.0

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def peak_memory_mb():
    """The largest resident set that this process ever had, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def measure(step, batch):
    step()  # wakes threads and caches up
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {"images_per_s": batch / statistics.median(times), "peak_memory_mb": peak_memory_mb()}


def serve(step, batch, version):
    """Warms up, then measures on request until standard input ends."""
    step()
    step()
    print(json.dumps({"version": version}), file=ANSWERS, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(step, batch)), file=ANSWERS, flush=True)

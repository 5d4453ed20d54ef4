"""Caps of the instruction set: what is set so that every program stays below one, and what shows that it does.

allcnn says which set it runs. PyTorch and OpenVINO multiply by oneDNN, which obeys a variable and names its set in its
verbose log. The others have no cap: they stand only where the machine has nothing above it that they could use.
"""

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

# From the narrowest to the widest, by the flag of /proc/cpuinfo that stands for it.
SETS = {"avx2": "avx2", "avx512": "avx512bw", "avx512-bf16": "avx512_bf16", "amx": "amx_bf16"}
ORDER = list(SETS)
# What oneDNN (its own variable), ATen (and with it Inductor) and MKL call the sets.
VARIABLES = {
    "avx2": ("AVX2", "avx2", "AVX2"),
    "avx512": ("AVX512_CORE", "avx512", "AVX512"),
    "avx512-bf16": ("AVX512_CORE_BF16", "avx512", "AVX512"),
}
CAPS = list(VARIABLES)
# The words by which oneDNN's log names the sets, the widest first.
WORDS = [("AMX", "amx"), ("bfloat16", "avx512-bf16"), ("AVX-512", "avx512"), ("AVX2", "avx2")]
BENCH = Path(__file__).resolve().parent.parent


def widest(flags):
    """The widest set of a machine; None below all of them."""
    return next((name for name in reversed(ORDER) if SETS[name] in flags), None)


def is_within(name, cap):
    """Whether a set is no wider than the cap; unknown ones are not."""
    return name in ORDER and ORDER.index(name) <= ORDER.index(cap)


def environment(cap):
    """The variables of every program. What Inductor has compiled for one cap crashes under another: a cache each."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    variables = {"TORCHINDUCTOR_CACHE_DIR": str(caches / "allcnn-bench" / f"inductor-{cap or 'uncapped'}")}
    if cap:
        onednn, aten, mkl = VARIABLES[cap]
        variables |= {"ONEDNN_MAX_CPU_ISA": onednn, "ATEN_CPU_CAPABILITY": aten, "MKL_ENABLE_INSTRUCTIONS": mkl}
        variables["ALLCNN_MAX_ISA"] = cap
    return variables


def beyond(cap, flags, precision):
    """The sets of a machine above the cap that a program could use. Products of bf16 pairs are no use for f32."""
    sets = [name for name in ORDER[ORDER.index(cap) + 1:] if SETS[name] in flags]
    return [name for name in sets if name != "avx512-bf16" or precision == "bf16"]


def set_in_log(text):
    """The set that a log of oneDNN names, and its words."""
    found = re.search(r"verbose.*,isa:(.*)", text)
    if found is None:
        return None, None
    return next((name for word, name in WORDS if word in found[1]), None), found[1].strip()


@functools.cache
def log_of(peer, cap):
    """What oneDNN writes in a process of the peer under the cap."""
    command = [sys.executable, "-W", "ignore", "-m", "peers.isa_probe", peer]
    variables = os.environ | environment(cap) | {"ONEDNN_VERBOSE": "1"}
    try:
        done = subprocess.run(command, env=variables, cwd=BENCH, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def evidence(peer, cap, flags, precision):
    """(why a peer stays below the cap, None), or (None, why it cannot be told)."""
    above = beyond(cap, flags, precision)
    if not above:
        return f"nothing above {cap} on this machine", None
    above = ", ".join(above)
    if peer not in ("PyTorch", "OpenVINO"):
        return None, f"it cannot be capped, and the machine has {above}"
    name, words = set_in_log(log_of(peer.lower(), cap))
    if name is None:
        return None, f"its log names no instruction set, and the machine has {above}"
    if not is_within(name, cap):
        return None, f"the cap {cap} does not act: its log says {words}"
    return f"log: {words}", None

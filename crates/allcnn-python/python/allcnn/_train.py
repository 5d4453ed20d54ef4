"""Training as the command does it."""

import os

from . import _allcnn
from ._run import Run


def _flags(settings):
    """Settings by name as flags: ``weight_decay=0.1`` is ``--weight-decay 0.1``."""
    flags = []
    for name, value in settings.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            flags.append(flag)
        else:
            text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            flags.append(f"{flag}={text}")
    return flags


def train(data="shapes", out=None, *, verbose=False, **settings):
    """Trains as ``allcnn train --data DATA --out OUT`` does, with the same bits.

    Settings are the command's flags: ``epochs=12``, ``model="all-cnn-b"``, ``weight_decay=1e-3``, ``from_="runs/x"``; see
    ``allcnn train --help``. With ``verbose`` the progress is printed to standard error.

    Returns the :class:`Run`. Raises ValueError with the program's text for a mistake in data or settings, RuntimeError for a
    training that diverged, and KeyboardInterrupt on Ctrl-C, after saving: ``allcnn.train(resume=OUT)`` goes on.
    """
    if "resume" in settings:
        given = {} if data == "shapes" else {"data": data}
    else:
        given = {"data": data, "out": out}
    flags = _flags({**given, **settings}) + ([] if verbose else ["--quiet"])
    path, _ended = _allcnn.train(flags)
    return Run(path, threads=settings.get("threads"))

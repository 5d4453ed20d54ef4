"""Pictures and labels as people have them in Python, checked."""

import os

import numpy as np


def is_files(X):
    """Whether X is a list of paths."""
    return not isinstance(X, np.ndarray) and len(X) > 0 and all(isinstance(x, (str, os.PathLike)) for x in X)


def files(X, name="X"):
    """X as a list of paths that exist; a ValueError names one that does not."""
    paths = [os.fspath(x) for x in X]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise ValueError(f"{missing[0]}: no such file; {len(missing)} of the {len(paths)} files of {name} are not there")
    return paths


def arrays(X, name="X"):
    """X as uint8 ``[n, height, width, 3]``; a ValueError says what is wrong with it."""
    if isinstance(X, (list, tuple)):
        shapes = {np.shape(x) for x in X}
        if len(shapes) > 1:
            some = " and ".join(str(shape) for shape in sorted(shapes, key=str)[:2])
            raise ValueError(f"the pictures of {name} have several shapes ({some}), expected one: give their files instead")
    X = np.asarray(X)
    if X.dtype != np.uint8:
        nan = " with NaN" if X.dtype.kind == "f" and np.isnan(X).any() else ""
        raise ValueError(
            f"{name} is {X.dtype}{nan}, expected uint8, 0 to 255: the preprocessing belongs to the network"
        )
    if X.ndim != 4 or X.shape[3] != 3:
        raise ValueError(f"{name} has the shape {X.shape}, expected [n, height, width, 3] (RGB)")
    if 0 in X.shape:
        raise ValueError(f"{name} has the shape {X.shape}: there are no pictures")
    return np.ascontiguousarray(X)


def labels(y, count, name="y"):
    """y as an array of one label a picture."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"{name} has the shape {y.shape}, expected [n]: one label a picture")
    if len(y) != count:
        raise ValueError(f"{name} has {len(y)} labels for {count} pictures, expected one each")
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise ValueError(f"{name} holds NaN, expected labels")
    return y

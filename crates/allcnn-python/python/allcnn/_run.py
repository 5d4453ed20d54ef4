"""Trained networks."""

import json
import os

import numpy as np

from . import _allcnn, _pictures


def load(run, threads=None):
    """Opens a run: its best checkpoint, on the CPU with `threads` threads (all cores if None).

    `run` is its folder, or ``"demo"``: the network that comes along, for ten classes of CIFAR-10.
    """
    return Run(run, threads=threads)


class Run:
    """A trained network.

    Attributes
    ----------
    path : str
        The run folder.
    classes_ : ndarray of str, [classes]
        The names of the classes, in the order of the network's outputs.
    history_ : list of dict
        The metrics of each epoch, as in ``metrics.csv``.
    settings : str
        The text of ``run.toml``: every setting of the run.
    model : str
        The network's name.
    picture_size : (int, int)
        Height and width of the pictures that the network takes.
    """

    def __init__(self, path, threads=None):
        self.path = os.fspath(path)
        self._threads = threads
        self._open()

    def _open(self):
        self._run = _allcnn.Run(self.path, self._threads)
        self.classes_ = np.array(self._run.classes)
        self.history_ = json.loads(self._run.history())
        self.model = self._run.model
        self.picture_size = self._run.picture_size
        self.settings = self._run.settings()

    def __getstate__(self):
        return {"path": self.path, "_threads": self._threads}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._open()

    def __repr__(self):
        return f"allcnn.Run({self.path!r}): {self.model}, {len(self.classes_)} classes"

    def predict_proba(self, X):
        """The probability of each class: float32 ``[n, classes]``.

        `X` is uint8 ``[n, height, width, 3]`` (RGB) of any one size, or a list of files; pictures are fitted to the network's
        input as the program fits files.
        """
        if _pictures.is_files(X):
            return self._run.predict_proba_files([os.fspath(x) for x in X])
        return self._run.predict_proba(_pictures.arrays(X))

    def predict(self, X):
        """The name of the most probable class of each picture: ``[n]``."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def explain(self, X, method="guided", target=None, layer=None):
        """What in each picture speaks for a class: float32 ``[n, height, width, 3]``.

        The signal at the network's input, in preprocessed coordinates, sent back from the logit of the most probable class, or
        from `target`: a class's name or index, or one for each picture. With `layer` (such as ``"conv6"``) it begins at that
        layer, at its strongest unit or at the channel `target`. `method` is ``"guided"``, ``"backprop"`` or ``"deconvnet"``
        (Springenberg et al. 2015, section 3.4).
        """
        files = _pictures.is_files(X)
        X = [os.fspath(x) for x in X] if files else _pictures.arrays(X)
        units = None if target is None else self._units(target, len(X))
        return (self._run.explain_files if files else self._run.explain)(X, method, units, layer)

    def _units(self, target, count):
        targets = [target] * count if isinstance(target, (str, int, np.integer)) else list(target)
        if len(targets) != count:
            raise ValueError(f"{len(targets)} targets for {count} pictures, expected one each")
        return [self._unit(one) for one in targets]

    def _unit(self, target):
        if isinstance(target, (int, np.integer)):
            if target < 0:
                raise ValueError(f"target is {target}, expected a class's name or its index from 0")
            return int(target)
        index = np.flatnonzero(self.classes_ == target)
        if len(index) == 0:
            raise ValueError(f"target is {target!r}, expected one of {', '.join(map(str, self.classes_[:10]))}")
        return int(index[0])

    def state_dict(self):
        """The weights and biases as float32 arrays in PyTorch's names and layout: ``conv1.weight`` ``[out, in, height, width]``."""
        return self._run.state_dict()

    def to_torch(self):
        """The network as a ``torch.nn.Sequential`` on the CPU, in evaluation mode.

        It takes pictures ``[n, 3, height, width]`` (RGB, 0 to 255, of the size ``picture_size``), with the preprocessing inside, and
        returns logits ``[n, classes]``.
        """
        from . import _torch

        return _torch.module(self._run)

    def export_onnx(self, path, explain=None, target="top", raw=False):
        """Writes the network as ONNX (opset 17) to `path`, as ``allcnn export --onnx`` does.

        Input ``image``, uint8 ``[n, height, width, 3]``, with the preprocessing inside (`raw`: float32 ``[n, 3, height, width]``, already
        preprocessed); outputs ``logits``, ``probabilities`` and, with `explain` (``"guided"``, ``"backprop"``, ``"deconvnet"``),
        ``explanation`` ``[n, height, width, 3]`` of the most probable class, or of the classes in the input ``class`` with
        ``target="input"``. The file gets its name when it was run and says what the program says.
        """
        self._run.export_onnx(os.fspath(path), explain, target, raw)

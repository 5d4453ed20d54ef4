"""A classifier with scikit-learn's conventions, which imports nothing of scikit-learn unless it is asked for its tags."""

import csv
import inspect
import io
import os
import shutil
import tempfile
import zipfile

import numpy as np

from . import _pictures
from ._run import Run
from ._train import train


class NotFittedError(ValueError, AttributeError):
    """A method was called that needs a trained network."""


class Classifier:
    """Trains a network on pictures and labels.

    Parameters are those of ``allcnn train``; None stands for the command's default.

    Parameters
    ----------
    model : str
        A network's name (``allcnn models`` lists them) or a TOML file.
    recipe : str
        ``"quick"``, ``"paper"``, ``"imagenet"``, ``"graham"`` or a TOML file.
    epochs : int or None
        Passes over the pictures; None: as many as their number asks for.
    seed : int
        The seed of all random numbers: equal settings give equal bits.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads : int or None
        CPU threads; None: all cores. The result does not depend on it.
    batch, lr, weight_decay, momentum, dropout, init, preprocess, augment, label_smoothing, mixup, ema, balance, precision, patience,
    time_limit, from_, freeze
        The flags of the same name (``from_``: ``--from``).
    out : path or None
        The run folder to create; None: a temporary one, which goes with the classifier.
    verbose : bool
        Whether to print progress to standard error.

    Attributes
    ----------
    classes_ : ndarray, [classes]
        The labels, sorted.
    run_ : Run
        The trained network.
    history_ : list of dict
        The metrics of each epoch.
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        model="all-cnn-c",
        recipe="quick",
        epochs=None,
        seed=0,
        device="auto",
        threads=None,
        *,
        batch=None,
        lr=None,
        weight_decay=None,
        momentum=None,
        dropout=None,
        init=None,
        preprocess=None,
        augment=None,
        label_smoothing=None,
        mixup=None,
        ema=None,
        balance=None,
        precision=None,
        patience=None,
        time_limit=None,
        from_=None,
        freeze=None,
        out=None,
        verbose=False,
    ):
        given = locals()
        for name in _parameters():
            setattr(self, name, given[name])

    def get_params(self, deep=True):
        """The parameters by name (scikit-learn)."""
        return {name: getattr(self, name) for name in _parameters()}

    def set_params(self, **params):
        """Sets parameters by name (scikit-learn)."""
        for name, value in params.items():
            if name not in _parameters():
                raise ValueError(f"Invalid parameter {name!r}, expected one of {', '.join(_parameters())}")
            setattr(self, name, value)
        return self

    def __repr__(self):
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name].default}
        return f"Classifier({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def __sklearn_tags__(self):
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags  # type: ignore[import-untyped]

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, three_d_array=True),
        )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "run_")

    def fit(self, X, y, validation=None):
        """Trains on pictures `X`, uint8 ``[n, height, width, 3]`` (RGB), or a list of files, and labels `y` of any kind.

        `validation` is a pair ``(X, y)`` of pictures that are measured after each epoch and choose the best one; without it
        nothing is held out, and the last epoch is kept. Ctrl-C saves (to `out`) and raises KeyboardInterrupt.
        """
        if len(X) == 0:
            raise ValueError("X has no pictures")
        files = _pictures.is_files(X)
        X = _pictures.files(X) if files else _pictures.arrays(X)
        y = _pictures.labels(y, len(X))
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(f"y has {len(classes)} class, expected 2 or more")
        splits = {"train": (X, np.searchsorted(classes, y))}
        if validation is not None:
            splits["test"] = self._validation(validation, files, classes)
        folder = self.out if self.out is not None else tempfile.mkdtemp(prefix="allcnn-")
        made = not os.path.exists(folder)
        os.makedirs(folder, exist_ok=True)
        try:
            names = [str(label) for label in classes]
            data, reading = (_write_table if files else _write_arrays)(folder, splits, names)
            settings = {name: value for name, value in self.get_params().items() if name not in ("out", "verbose")}
            holdout = None if validation is not None else "none"
            run = train(data, folder, holdout=holdout, verbose=self.verbose, **reading, **settings)
        except BaseException:
            if self.out is None or (made and not os.path.exists(os.path.join(folder, "run.toml"))):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self._temporary = _Temporary(folder) if self.out is None else None
        self.run_, self.classes_, self.history_ = run, classes, run.history_
        self._columns = np.array([list(run.classes_).index(name) for name in names])
        self.picture_shape_ = None if files else X.shape[1:]
        return self

    def _validation(self, validation, files, classes):
        Xv, yv = validation
        if files != _pictures.is_files(Xv):
            raise ValueError("the pictures of validation are of another kind than X: give both as arrays, or both as files")
        Xv = (_pictures.files if files else _pictures.arrays)(Xv, "the X of validation")
        yv = _pictures.labels(yv, len(Xv), "the y of validation")
        unknown = np.setdiff1d(yv, classes)
        if len(unknown):
            raise ValueError(f"the y of validation has the label {unknown[0].item()!r}, which y has not")
        return Xv, np.searchsorted(classes, yv)

    def _fitted(self):
        """The trained network."""
        if not hasattr(self, "run_"):
            raise NotFittedError("this Classifier is not fitted yet: call fit(X, y) first")
        return self.run_

    def _fitted_for(self, X):
        """The trained network, for pictures of the shape that it was trained on."""
        run = self._fitted()
        if self.picture_shape_ is not None and not _pictures.is_files(X):
            shape = _pictures.arrays(X).shape[1:]
            if shape != self.picture_shape_:
                raise ValueError(f"X has pictures of {shape}, and was {self.picture_shape_} in fit: resize them")
        return run

    def predict_proba(self, X):
        """The probability of each class: float32 ``[n, classes]``, in the order of ``classes_``."""
        return self._fitted_for(X).predict_proba(X)[:, self._columns]

    def predict(self, X):
        """The most probable label of each picture: ``[n]``."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def score(self, X, y):
        """The share of pictures whose most probable label is theirs (accuracy)."""
        y = _pictures.labels(y, len(X))
        return float(np.mean(self.predict(X) == y))

    def explain(self, X, method="guided", target=None, layer=None):
        """What in each picture speaks for a class: float32 ``[n, height, width, 3]``, see :meth:`Run.explain`.

        `target` is a label, or one for each picture; with `layer` the index of a channel.
        """
        run = self._fitted_for(X)
        if target is not None and layer is None:
            target = np.broadcast_to(np.asarray(target), (len(X),))
            unknown = np.setdiff1d(target, self.classes_)
            if len(unknown):
                raise ValueError(f"target has the label {unknown[0].item()!r}, expected one of {list(self.classes_[:10])}")
            target = self._columns[np.searchsorted(self.classes_, target)]
        return run.explain(X, method, target, layer)

    def save(self, folder):
        """Copies the run to a new folder; ``allcnn.load`` and the program's commands read it."""
        shutil.copytree(self._fitted().path, folder)
        return Run(folder, threads=self.threads)

    def __getstate__(self):
        state = self.__dict__.copy()
        if "run_" in state:
            state["run_"] = _pack(state["run_"].path)
        state.pop("_temporary", None)
        return state

    def __setstate__(self, state):
        packed = state.pop("run_", None)
        self.__dict__.update(state)
        if packed is not None:
            folder = tempfile.mkdtemp(prefix="allcnn-")
            zipfile.ZipFile(io.BytesIO(packed)).extractall(folder)
            self._temporary = _Temporary(folder)
            self.run_ = Run(folder, threads=self.threads)


class _Temporary:
    """A folder that is removed with its classifier."""

    def __init__(self, folder):
        self._folder = folder

    def __del__(self, rmtree=shutil.rmtree):
        rmtree(self._folder, ignore_errors=True)


def _parameters():
    """The names of the parameters, in order."""
    return [name for name in inspect.signature(Classifier.__init__).parameters if name != "self"]


def _pack(folder):
    """The files of a run in an archive, without its pictures."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and name not in ("pictures.npz", "pictures.csv", "last.safetensors"):
                file.write(path, name)
    return archive.getvalue()


def _write_arrays(folder, splits, classes):
    """The pictures as the program reads them: arrays of numpy."""
    arrays = {"class_names": np.array(classes)}
    for split, (X, y) in splits.items():
        arrays[f"x_{split}"], arrays[f"y_{split}"] = X, y.astype(np.int64)
    path = os.path.join(folder, "pictures.npz")
    np.savez(path, **arrays)
    return path, {}


def _write_table(folder, splits, classes):
    """The pictures as the program reads them: a table of files and classes."""
    path = os.path.join(folder, "pictures.csv")
    root = os.path.commonpath([os.path.dirname(os.path.abspath(x)) for X, _ in splits.values() for x in X])
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split"])
        for split, (X, y) in splits.items():
            table.writerows([os.path.relpath(x, root), classes[label], split] for x, label in zip(X, y))
    return path, {"image_root": root}

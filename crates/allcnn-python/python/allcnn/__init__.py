"""allcnn trains All-Convolutional Nets on your own images, judges them and shows what they see.

    import allcnn
    clf = allcnn.Classifier(epochs=12).fit(X, y)    # uint8 [n, height, width, 3], labels of any kind
    clf.predict(X); clf.explain(X)                  # labels; float32 [n, height, width, 3]
"""

from ._allcnn import VERSION as __version__
from ._classifier import Classifier, NotFittedError
from ._run import Run, load
from ._train import train

__all__ = ["Classifier", "NotFittedError", "Run", "load", "train", "__version__"]

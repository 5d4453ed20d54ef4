"""The paper's networks as PyTorch modules, by their allcnn names."""

from torch import nn


class _Chain:
    """Layers on their way to a network."""

    def __init__(self, activation=nn.ReLU):
        self.layers, self.channels, self.activation = [], 3, activation

    def conv(self, channels, kernel, stride=1, padding=0):
        self.layers += [nn.Conv2d(self.channels, channels, kernel, stride, padding), self.activation()]
        self.channels = channels

    def dropout(self, rate):
        self.layers.append(nn.Dropout(rate))

    def finish(self):
        return nn.Sequential(*self.layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _cifar(family, base):
    """Tables 1 and 2: three base networks, and what becomes of their pools."""
    kernels = {"a": [5], "b": [5, 1], "c": [3, 3]}[base]
    chain = _Chain()
    chain.dropout(0.2)
    for channels in (96, 192):
        for place, kernel in enumerate(kernels):
            strided = family == "strided-cnn" and place == len(kernels) - 1
            chain.conv(channels, kernel, 2 if strided else 1, kernel // 2)
        if family == "all-cnn":
            chain.conv(channels, 3, 2, 1)
        if family == "convpool-cnn":
            chain.conv(channels, 3, 1, 1)
        if family in ("model", "convpool-cnn"):
            chain.layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        chain.dropout(0.5)
    chain.conv(192, 3)
    chain.conv(192, 1)
    chain.conv(10, 1)
    return chain.finish()


def _large():
    """Table 5: 2x2 kernels, leaky, without padding."""
    chain = _Chain(lambda: nn.LeakyReLU(1 / 3))
    for channels, rate in [(320, 0.0), (640, 0.1), (960, 0.2), (1280, 0.3), (1600, 0.4)]:
        for stride in (1, 1, 2):
            chain.conv(channels, 2, stride)
            if stride == 1 and rate:
                chain.dropout(rate)
    chain.conv(1920, 2)
    chain.dropout(0.5)
    chain.conv(1920, 1)
    chain.dropout(0.5)
    chain.conv(10, 1)
    del chain.layers[-1]  # the last layer gives the logits themselves
    return chain.finish()


def _imagenet():
    """Table 6."""
    chain = _Chain()
    chain.conv(96, 11, 4, 1)
    chain.conv(96, 1)
    chain.conv(96, 3, 2, 1)
    chain.conv(256, 5)
    chain.conv(256, 1)
    chain.conv(256, 3, 2, 1)
    chain.conv(384, 3, 1, 1)
    chain.conv(384, 1)
    chain.conv(384, 3, 2, 1)
    chain.dropout(0.5)
    chain.conv(1024, 3, 1, 1)
    chain.conv(1024, 1)
    chain.conv(1000, 1)
    return chain.finish()


def network(name):
    """The network, its input [channels, height, width] and its number of classes."""
    if name == "large-all-cnn":
        return _large(), (3, 126, 126), 10
    if name == "imagenet-all-cnn-b":
        return _imagenet(), (3, 224, 224), 1000
    family, _, base = name.rpartition("-")
    return _cifar(family, base), (3, 32, 32), 10

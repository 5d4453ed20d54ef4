"""A trained network as a module of PyTorch, its preprocessing in front. Imported when it is asked for only."""

import json
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F


class MeanStd(nn.Module):
    """(x / 255 - mean) / std for each channel; x: ``[n, 3, height, width]``, 0 to 255."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.from_numpy(std).view(1, -1, 1, 1))

    def forward(self, x):
        return (x.float() / 255 - self.mean) / self.std


class GcnZca(nn.Module):
    """Contrast normalization of each picture to norm 55, then whitening: P (x - mean), in the order height, width, channel."""

    def __init__(self, mean, zca):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("zca", torch.from_numpy(zca))

    def forward(self, x):
        shape = x.permute(0, 2, 3, 1).shape
        x = x.double().permute(0, 2, 3, 1).reshape(shape[0], -1)
        x = x - x.mean(dim=1, keepdim=True)
        divisor = x.norm(dim=1, keepdim=True) / 55
        x = (x / torch.where(divisor < 1e-8, torch.ones_like(divisor), divisor)).float() - self.mean
        return (x @ self.zca.T).reshape(shape).permute(0, 3, 1, 2)


class Unit(nn.Module):
    """x / 255."""

    def forward(self, x):
        return x.float() / 255


class Canvas(nn.Module):
    """The picture in the middle of a larger canvas of zeros."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        rows, columns = (whole - own for whole, own in zip(self.size, x.shape[2:]))
        return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


class PNorm(nn.Module):
    """(sum |x|^p)^(1/p) over each window."""

    def __init__(self, p, **window):
        super().__init__()
        self.p, self.window = p, window

    def forward(self, x):
        return F.avg_pool2d(x.abs() ** self.p, divisor_override=1, **self.window) ** (1 / self.p)


class Stochastic(nn.Module):
    """Stochastic pooling in testing: (sum x^2) / (sum x) over each window of values of at least 0."""

    def __init__(self, **window):
        super().__init__()
        self.window = window

    def forward(self, x):
        squares, totals = (F.avg_pool2d(values, divisor_override=1, **self.window) for values in (x * x, x))
        return squares / torch.where(totals > 0, totals, torch.ones_like(totals))


class LearnedNorm(nn.Module):
    """(mean of |x - c|^p)^(1/p) over each window, p = 1 + ln(1 + e^rho), with a center c and a rho for each channel."""

    def __init__(self, channels, **window):
        super().__init__()
        self.center, self.rho = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))
        self.window = window

    def forward(self, x):
        center, order = self.center.view(1, -1, 1, 1), 1 + F.softplus(self.rho).view(1, -1, 1, 1)
        return F.avg_pool2d((x - center).abs() ** order, count_include_pad=False, **self.window) ** (1 / order)


class Maxout(nn.Module):
    """The maximum over groups of neighbouring channels."""

    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def forward(self, x):
        return x.unflatten(1, (-1, self.pieces)).amax(dim=2)


class Probout(nn.Module):
    """Probabilistic maxout in testing: the sum of p z with p = softmax(lambda z) over groups of neighbouring channels."""

    def __init__(self, pieces, rate):
        super().__init__()
        self.pieces, self.rate = pieces, rate

    def forward(self, x):
        groups = x.unflatten(1, (-1, self.pieces))
        return (torch.softmax(self.rate * groups, dim=2) * groups).sum(dim=2)


class Lwta(nn.Module):
    """Of each group of neighbouring channels the largest, the first of equals; the others become 0."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        groups = x.unflatten(1, (-1, self.size))
        won = torch.zeros_like(groups).scatter(2, groups.argmax(dim=2, keepdim=True), 1)
        return (groups * won).flatten(1, 2)


class Logits(nn.Module):
    """``[n, classes, 1, 1]`` as ``[n, classes]``."""

    def forward(self, x):
        return x.flatten(1)


def module(run):
    """The network of a native run: pictures ``[n, 3, height, width]``, 0 to 255, to logits ``[n, classes]``."""
    description = json.loads(run.description())
    parts = OrderedDict(preprocess=_preprocessing(description["preprocess"], run.preprocessing()))
    if description["canvas"]:
        parts["canvas"] = Canvas(description["canvas"])
    channels = 3
    for layer in description["layers"]:
        name, kind = layer.pop("name"), layer.pop("kind")
        activation = layer.pop("activation", None)
        parts[name] = _LAYERS[kind](channels, layer)
        channels = layer.get("channels", channels // layer.get("pieces", 1))
        if activation == "relu":
            parts[f"{name}_relu"] = nn.ReLU()
        elif activation:
            parts[f"{name}_relu"] = nn.LeakyReLU(activation)
    parts["logits"] = Logits()
    network = nn.Sequential(parts)
    weights = {name: torch.from_numpy(values) for name, values in run.state_dict().items()}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.startswith("preprocess.") for name in missing), (missing, unexpected)
    return network.eval()


def _preprocessing(method, fitted):
    return {"mean-std": MeanStd, "gcn-zca": GcnZca, "none": Unit}[method](**fitted)


def _pool(channels, layer):
    window = {"kernel_size": layer["kernel"], "stride": layer["stride"], "padding": layer["padding"], "ceil_mode": layer["ceil"]}
    if layer["of"] == "max":
        return nn.MaxPool2d(**window)
    if layer["of"] == "learned-norm":
        return LearnedNorm(channels, **window)
    if layer["of"] == "stochastic":
        return Stochastic(**window)
    return nn.AvgPool2d(count_include_pad=False, **window) if layer["of"] == "average" else PNorm(layer["p"], **window)


_LAYERS = {
    "conv": lambda channels, layer: nn.Conv2d(
        channels, layer["channels"], layer["kernel"], layer["stride"], layer["padding"], groups=layer["groups"]
    ),
    "pool": _pool,
    "maxout": lambda _, layer: Maxout(layer["pieces"]),
    "probout": lambda _, layer: Probout(layer["pieces"], layer["lambda"]),
    "lwta": lambda _, layer: Lwta(layer["size"]),
    "lrn": lambda _, layer: nn.LocalResponseNorm(layer["size"], layer["alpha"], layer["beta"], layer["k"]),
    "global_average": lambda *_: nn.AdaptiveAvgPool2d(1),
}

"""A process that does one work in one way of running PyTorch: `python -m peers.torch_worker WORK WAY THREADS`."""

import sys
from contextlib import nullcontext

from .serving import serve  # first: it keeps standard output for itself

import torch
from torch.nn import functional

from .networks import network
from .works import chosen


def autocast(work):
    return torch.autocast(work.device, torch.bfloat16) if work.precision == "bf16" else nullcontext()


def training(work, net, run, images, classes):
    labels = torch.arange(work.batch, device=work.device) % classes
    fused = True if work.device == "cuda" else None
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-3, fused=fused)
    net.train()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(work):
            loss = functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()

    return step


def inference(work, net, run, images, is_converted):
    net.eval()

    def step():
        with torch.inference_mode(), nullcontext() if is_converted else autocast(work):
            run(images)

    return step


def hooked_explanation(net, image):
    """Guided backpropagation as Captum does it: a hook on each ReLU that lets only positive signals through."""
    net.eval().requires_grad_(False)
    for module in net:
        if isinstance(module, torch.nn.ReLU):
            module.register_full_backward_hook(lambda _, d_input, __: (functional.relu(d_input[0]),))
    image.requires_grad_(True)

    def step():
        logits = net(image)
        return torch.autograd.grad(logits[0, logits[0].argmax()], image)[0]

    return step


def captum_explanation(net, image):
    from captum.attr import GuidedBackprop

    net.eval().requires_grad_(False)
    guided = GuidedBackprop(net)
    image.requires_grad_(True)

    def step():
        with torch.inference_mode():
            winner = int(net(image).argmax())
        return guided.attribute(image, target=winner)

    return step


def prepared(work, way):
    """The step of a work, one way of doing it."""
    net, size, classes = network(work.model)
    net, images = net.to(work.device), torch.randn(work.batch, *size, device=work.device)
    if way not in ("plain", "hooks", "captum"):
        net = net.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    if work.what == "explain":
        return (captum_explanation if way == "captum" else hooked_explanation)(net, images)
    is_converted = way == "converted"
    if is_converted:
        net, images = net.bfloat16(), images.bfloat16()
    if way == "compile":
        from torch._inductor import config

        config.freezing = work.what == "infer"  # folds and repacks the weights
    run = net
    if way == "compile":
        run = torch.compile(net, mode="max-autotune") if work.device == "cuda" else torch.compile(net)
    if work.what == "train":
        return training(work, net, run, images, classes)
    return inference(work, net, run, images, is_converted)


def waiting(step):
    """The same step, with a wait for the GPU behind it."""

    def wait():
        step()
        torch.cuda.synchronize()

    return wait


def main():
    name, way, threads = sys.argv[1:]
    (work,) = chosen(name)
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    if work.device == "cuda":  # TF32 factors in f32, and cuDNN's engines chosen by measuring
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    step = prepared(work, way)
    serve(waiting(step) if work.device == "cuda" else step, work.batch, f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

"""Convolutions as GPUs like them: with normalisation inside, and channels by eights.

With fixed statistics a normalisation is a gain and a shift, which the convolution before it can do
itself: two passes over its output less. And in float16 the tensor cores of GPUs take eight channels
at a time (NVIDIA, Deep Learning Performance, "Convolutional Layers", Channels In and Out), where
LoFTR and XoFTR have 196: four more that are 0 everywhere change nothing but that.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_EIGHTS = 8


def lean(net: nn.Module) -> None:
    """Fold the normalisations of a network's convolutions, and fill up their channels.

    Afterwards it can't be trained, its weights have other names, and what it hands out has up to 7
    channels more where their number wasn't a multiple of 8.

    Args:
        net: for inference; changed in place, its tensors aren't. A normalisation belongs to the
            convolution of the same name with `conv` for `bn`, or to the one before it in a
            sequence.

    Raises:
        ValueError: a normalisation of a number of channels that isn't a multiple of 8 is left.
    """
    net.eval()
    for parent in list(net.modules()):
        names = list(parent._modules)
        for before, name in zip(["", *names], names, strict=False):
            norm = parent._modules[name]
            own = before if isinstance(parent, nn.Sequential) else name.replace("bn", "conv")
            conv = parent._modules.get(own)
            if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d):
                setattr(parent, own, fuse_conv_bn_eval(conv, norm))
                setattr(parent, name, nn.Identity())
    for parent in list(net.modules()):
        for name, part in list(parent._modules.items()):
            if isinstance(part, nn.Conv2d):
                setattr(parent, name, widened(part))
            elif isinstance(part, nn.BatchNorm2d) and part.num_features % _EIGHTS:
                raise ValueError(f"{name} of {part.num_features} channels has no convolution")


def widened(conv: nn.Conv2d, outputs: bool = True) -> nn.Conv2d:
    """A convolution with zeros up to multiples of 8 channels; of single channels it takes no more.

    Args:
        conv: without groups; stays as it is.
        outputs: fill up what it hands out, too, and not only what it takes.
    """
    takes, hands = conv.in_channels, conv.out_channels
    more_in = -takes % _EIGHTS if takes > 1 else 0
    more_out = -hands % _EIGHTS if outputs else 0
    if conv.groups > 1 or not (more_in or more_out):
        return conv
    weight = F.pad(conv.weight, (0, 0, 0, 0, 0, more_in, 0, more_out))
    return _like(conv, weight, None if conv.bias is None else F.pad(conv.bias, (0, more_out)))


def _like(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A convolution with the stride and the padding of another."""
    outputs, inputs = weight.shape[0], weight.shape[1] * conv.groups
    same: dict[str, Any] = {
        name: getattr(conv, name)
        for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    }
    with torch.device("meta"):
        out = nn.Conv2d(inputs, outputs, bias=bias is not None, **same)
    given = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    out.load_state_dict({k: v.detach().to(conv.weight) for k, v in given.items()}, assign=True)
    return out.train(conv.training)

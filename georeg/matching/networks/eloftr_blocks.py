"""Parts of EfficientLoFTR (Wang et al., CVPR 2024), named as in its official weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

_TRAINED_SIDE = 832  # pixels; longer images have their positions squeezed into it
_AGGREGATE = 4  # cells per side that share an attention token
_TOKEN = 8 * _AGGREGATE  # pixels
_HEADS = 8


class Backbone(nn.Module):
    """RepVGG (Ding et al., CVPR 2021) down to 1/8."""

    def __init__(self, fused: bool) -> None:
        """Random weights, as trained or fused."""
        super().__init__()
        self.layer0 = RepBlock(1, 64, 2, fused)
        self.layer1 = _stage(64, 64, 1, 2, fused)
        self.layer2 = _stage(64, 128, 2, 4, fused)
        self.layer3 = _stage(128, 256, 2, 14, fused)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, H, W) -> features of 64 channels at 1/2, 128 at 1/4 and 256 at 1/8."""
        half = self.layer1(self.layer0(images))
        quarter = self.layer2(half)
        return half, quarter, self.layer3(quarter)

    def fuse(self) -> None:
        """One convolution instead of up to three branches in every block."""
        for block in self.modules():
            if isinstance(block, RepBlock):
                block.fuse()


def _stage(inputs: int, outputs: int, stride: int, count: int, fused: bool) -> nn.Sequential:
    first = RepBlock(inputs, outputs, stride, fused)
    return nn.Sequential(first, *(RepBlock(outputs, outputs, 1, fused) for _ in range(count - 1)))


class RepBlock(nn.Module):
    """Branches of 3 x 3, 1 x 1 and identity as trained, or the one convolution they amount to."""

    def __init__(self, inputs: int, outputs: int, stride: int, fused: bool) -> None:
        """Random weights."""
        super().__init__()
        self.shape = (inputs, outputs, stride)
        self.rbr_reparam: nn.Conv2d | None = None
        if fused:
            self.rbr_reparam = nn.Conv2d(inputs, outputs, 3, stride, 1)
            return
        self.rbr_dense = _Branch(inputs, outputs, 3, stride)
        self.rbr_1x1 = _Branch(inputs, outputs, 1, stride)
        plain = inputs == outputs and stride == 1
        self.rbr_identity = nn.BatchNorm2d(inputs) if plain else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        if self.rbr_reparam is not None:
            return F.relu(self.rbr_reparam(x))
        total = self.rbr_dense(x) + self.rbr_1x1(x)
        return F.relu(total if self.rbr_identity is None else total + self.rbr_identity(x))

    def fuse(self) -> None:
        """Replace the branches; in double precision, so that nothing is lost but the last bit."""
        if self.rbr_reparam is not None:
            return
        inputs, outputs, stride = self.shape
        one = F.pad(self.rbr_1x1.conv.weight, (1, 1, 1, 1))
        parts = [(self.rbr_dense.conv.weight, self.rbr_dense.bn), (one, self.rbr_1x1.bn)]
        if self.rbr_identity is not None:
            same = torch.eye(inputs, device=one.device)[..., None, None]
            parts.append((F.pad(same, (1, 1, 1, 1)), self.rbr_identity))
        pairs = [_folded(w, bn) for w, bn in parts]
        weight, bias = (torch.stack(part).sum(0) for part in zip(*pairs, strict=True))
        self.rbr_reparam = nn.Conv2d(inputs, outputs, 3, stride, 1).to(self.rbr_1x1.conv.weight)
        with torch.no_grad():
            self.rbr_reparam.weight.copy_(weight)
            if self.rbr_reparam.bias is not None:
                self.rbr_reparam.bias.copy_(bias)
        del self.rbr_dense, self.rbr_1x1, self.rbr_identity


class _Branch(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x))
        return out


def _folded(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias, in double precision, of a convolution that normalises, too."""
    bn = {k: v.double() for k, v in norm.state_dict().items()}
    mean, variance = bn["running_mean"], bn["running_var"]
    return fuse_conv_bn_weights(
        weight.double(), None, mean, variance, norm.eps, bn["weight"], bn["bias"]
    )


class Transformer(nn.Module):
    """Self and cross attention in turns, four times, among tokens of 4 x 4 cells."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.layers = nn.ModuleList(_Layer() for _ in range(8))

    def forward(
        self, x0: Tensor, x1: Tensor, full0: Tensor, full1: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features (B, 256, h, w) of both images and the (B, h, w) masks of cells with data.

        The second image's cross attention sees what the first has already learned, as it was
        in training.
        """
        side = 8 * max(*x0.shape[2:], *x1.shape[2:])
        table0, table1 = (_rotations(x, side) for x in (x0, x1))
        keys0, keys1 = (_keys(full) for full in (full0, full1))
        for number, layer in enumerate(self.layers):
            if number % 2 == 0:
                x0 = layer(x0, x0, keys0, (table0, table0))
                x1 = layer(x1, x1, keys1, (table1, table1))
            else:
                x0 = layer(x0, x1, keys1, None)
                x1 = layer(x1, x0, keys0, None)
        return x0, x1


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        dim = 256
        self.aggregate = nn.Conv2d(dim, dim, _AGGREGATE, _AGGREGATE, groups=dim, bias=False)
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.merge = nn.Linear(dim, dim, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * dim, 2 * dim, bias=False),
            nn.LeakyReLU(),
            nn.Linear(2 * dim, dim, bias=False),
        )
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(
        self,
        x: Tensor,
        source: Tensor,
        keys: Tensor | None,
        tables: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
    ) -> Tensor:
        query = self.norm1(self.aggregate(x).permute(0, 2, 3, 1))
        token = self.norm1(F.max_pool2d(source, _AGGREGATE).permute(0, 2, 3, 1))
        rows, cols = query.shape[1:3]
        q, k, v = self.q_proj(query), self.k_proj(token), self.v_proj(token)
        if tables is not None:
            q, k = _rotate(q, *tables[0]), _rotate(k, *tables[1])
        q, k, v = (t.flatten(1, 2).unflatten(-1, (_HEADS, -1)).transpose(1, 2) for t in (q, k, v))
        message = F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
        message = self.merge(message.transpose(1, 2).flatten(2))
        message = message.transpose(1, 2).unflatten(2, (rows, cols))
        message = F.interpolate(message, scale_factor=float(_AGGREGATE), mode="bilinear")
        both = torch.cat([x, message], 1).permute(0, 2, 3, 1)
        out: Tensor = x + self.norm2(self.mlp(both)).permute(0, 3, 1, 2)
        return out


def _keys(full: Tensor) -> Tensor | None:
    """(B, h, w) cells with data -> tokens that attention may look at; None if at all.

    An image without any data looks everywhere, as a softmax over nothing is not a number.
    """
    if full.all():
        return None
    tokens = F.max_pool2d(full[:, None].float(), _AGGREGATE).flatten(1) > 0
    tokens |= ~tokens.any(1, keepdim=True)
    return tokens[:, None, None]


def _rotations(x: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Sines and cosines of the rotary position encoding of the tokens of (B, 256, h, w) features.

    Pairs of channels turn with the row and with the column in turns. Positions count from 1, and
    the values are rounded to half precision: the weights were trained so.
    """
    pairs = x.shape[1] // 4  # per axis
    rows, cols = x.shape[2] // _AGGREGATE, x.shape[3] // _AGGREGATE
    squeeze = min(1.0, _TRAINED_SIDE / side)
    count, row, col = (torch.arange(n, device=x.device) for n in (pairs, rows, cols))
    rates = torch.exp(count.float() * (-math.log(10000.0) / pairs))
    down = ((row + 1).float() * squeeze)[:, None, None] * rates
    across = ((col + 1).float() * squeeze)[None, :, None] * rates
    shape = (rows, cols, pairs)
    angles = torch.stack([down.expand(shape), across.expand(shape)], -1).flatten(2)
    angles = angles.repeat_interleave(2, dim=-1)
    return angles.sin().half().to(x), angles.cos().half().to(x)


def _rotate(x: Tensor, sine: Tensor, cosine: Tensor) -> Tensor:
    turned = torch.stack([-x[..., 1::2], x[..., 0::2]], -1).flatten(-2)
    return x * cosine + turned * sine


class FinePreprocess(nn.Module):
    """Features of full resolution from those of the transformer and the backbone."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.layer3_outconv = nn.Conv2d(256, 256, 1, bias=False)
        self.layer2_outconv = nn.Conv2d(128, 256, 1, bias=False)
        self.layer2_outconv2 = _merging(256, 128)
        self.layer1_outconv = nn.Conv2d(64, 128, 1, bias=False)
        self.layer1_outconv2 = _merging(128, 64)

    def forward(self, half: Tensor, quarter: Tensor, coarse: Tensor) -> Tensor:
        """Features at 1/2 (64), 1/4 (128) and 1/8 (256 channels) -> (B, 64, H, W)."""
        x = _double(self.layer3_outconv(coarse))
        x = _double(self.layer2_outconv2(self.layer2_outconv(quarter) + x))
        return _double(self.layer1_outconv2(self.layer1_outconv(half) + x))


def _merging(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(inputs),
        nn.LeakyReLU(),
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
    )


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

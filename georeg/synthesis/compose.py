"""Several modalities one after another: snow, then radar, then a worse sensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis import load
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Modality, Synthetic
from georeg.synthesis.warps import Warp, pixel_centres

SMALLEST = 8


def compose(images: Tensor, modalities: Sequence[str | Modality], draws: Draws) -> Synthetic:
    """Images through modalities, in order.

    Args:
        images: (B, C, H, W) in [0, 1], C is 1 or 3, H and W are at least 8.
        modalities: names, or callables of the same kind; none leaves the images as they are.
        draws: one stream per image.

    Returns:
        The last one's image; what any of them hid is masked, and all displacements are chained.

    Raises:
        SettingsError: an unknown name, images of another shape, or a modality that doesn't keep
            its protocol.
    """
    _check(images, draws)
    out = Synthetic.of(images)
    for item in modalities:
        made = (load(item) if isinstance(item, str) else item)(out.image, draws.fork())
        if len(made.image) != len(images) or made.image.shape[-2:] != images.shape[-2:]:
            raise SettingsError(
                f"modality {item} made {tuple(made.image.shape)} of {tuple(images.shape)}"
            )
        mask, warp = made.mask & carried(out.mask, made.warp), made.warp
        if out.warp is not None:
            warp = out.warp.then(made.warp)
        out = Synthetic(made.image, mask, warp)
    return out


def carried(masks: Tensor, warp: Warp | None) -> Tensor:
    """(B, H, W) masks where a modality's warp takes them; outside the image nothing is valid."""
    if warp is None:
        return masks
    count, height, width = masks.shape
    spans = torch.tensor([width, height], device=masks.device)
    like = masks.new_zeros((), dtype=torch.float32)
    origin = warp.inverse(pixel_centres((height, width), count, like))
    grid = (2 * origin / spans - 1).view(count, height, width, 2)
    seen = F.grid_sample(masks[:, None].float(), grid, align_corners=False, padding_mode="border")
    return seen[:, 0] > 0.5


def _check(images: Tensor, draws: Draws) -> None:
    """Shapes as the protocol has them.

    Raises:
        SettingsError: they aren't.
    """
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] not in (1, 3) or min(shape[2:]) < SMALLEST:
        raise SettingsError(f"images must be (B, 1 or 3, H, W) from 8 x 8 on, not {shape}")
    if not images.is_floating_point():
        raise SettingsError(f"images must be floats in [0, 1], not {images.dtype}")
    if len(draws) != shape[0]:
        raise SettingsError(f"{len(draws)} streams for {shape[0]} images")

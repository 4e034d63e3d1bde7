"""What every modality offers. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from georeg.synthesis.draws import Draws
    from georeg.synthesis.warps import Warp


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Images as another sensor would see them.

    Attributes:
        image: (B, C, H, W) in [0, 1], C is 1 or 3; H and W are those of the input.
        mask: (B, H, W), True where the image shows the ground that the label says it shows. False
            under clouds and in their shadows, in radar shadow, outside the source. A loss should
            leave those pixels out; whether a matcher is told of them is the trainer's choice.
        warp: where a position of the input is found in `image`; None if just where it was.
    """

    image: Tensor
    mask: Tensor
    warp: Warp | None = None

    @classmethod
    def of(cls, image: Tensor) -> Synthetic:
        """An image that stays in place and hides nothing; values are clipped to [0, 1]."""
        whole = image.new_ones((len(image), *image.shape[-2:])).bool()
        return cls(image.clamp(0, 1), whole)


class Modality(Protocol):
    """Synthesises one modality: a function, or anything else that can be called so.

    A generative model is one, too: see `generative`. It must keep every pixel's place, or say in
    `Synthetic.warp` where it went; and draw all that is random from `draws`.
    """

    def __call__(self, images: Tensor, draws: Draws, **options: Any) -> Synthetic:
        """Images of another sensor.

        Args:
            images: (B, C, H, W) in [0, 1], C is 1 or 3; any H and W from 8 on.
            draws: all that is random, one stream per image.
            options: what a modality lets callers fix; random where it isn't given.
        """
        ...

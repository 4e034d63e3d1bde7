"""Where and in what type a network computes: autocast, float32 where that fails, compilation.

Weights are float32 always. In float16 or bfloat16 torch chooses by itself what bears the shorter
type (convolutions, linear layers); attention's sums, softmaxes, similarities and coordinates stay
outside of it, inside `exact`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

from georeg.errors import SettingsError
from georeg.matching.networks.found import Found
from georeg.matching.protocol import Device

log = logging.getLogger(__name__)

Net = TypeVar("Net", bound=nn.Module)
Side = Tensor | None
Run = Callable[[Tensor, Side, Tensor, Side], Sequence[Found | None]]

CPU = Device()
_TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Precision:
    """How networks compute on a device.

    Attributes:
        device: where.
        dtype: in what, where that is safe.
        compiled: whether networks go through torch.compile, when they first run.
    """

    def __init__(self, how: Device) -> None:
        """As the matcher was told.

        Raises:
            SettingsError: there is no such type.
        """
        if how.dtype not in _TYPES:
            raise SettingsError(f"type '{how.dtype}' is none of {', '.join(_TYPES)}")
        self.device = torch.device(how.name)
        self.dtype = _TYPES[how.dtype]
        self.compiled = how.compiled
        self._told = False

    @property
    def halved(self) -> bool:
        """Whether anything is computed in less than float32."""
        return self.dtype != torch.float32

    @property
    def tensor_cores(self) -> bool:
        """Whether it is worth a network's while to have its channels by eights; see `lean`."""
        return self.halved and self.device.type == "cuda"

    def place(
        self, net: Net, heavy: Sequence[nn.Module] = (), images: Sequence[nn.Module] = ()
    ) -> Net:
        """A network ready to match: on the device, without gradients.

        Args:
            net: changed in place.
            heavy: parts that are worth compiling.
            images: parts that are convolutions of images. On GPUs, in less than float32, they
                are faster with the channels last.
        """
        net.eval().requires_grad_(False).to(self.device)
        if self.tensor_cores:
            for part in images:
                # torch's annotation of `to` lacks this form.
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compiled:
            for part in heavy:
                part.compile()
        return net

    def half(self) -> AbstractContextManager[object]:
        """Inside, torch chooses the shorter type where it is safe."""
        return torch.autocast(self.device.type, self.dtype) if self.halved else nullcontext()

    def matched(
        self, run: Run, images0: Tensor, masks0: Side, images1: Tensor, masks1: Side
    ) -> list[Found]:
        """Matches of a batch; pairs that overflowed the shorter type once more in float32.

        Args:
            run: finds the matches of pairs; None where not all numbers were finite.
            images0: (B, H, W), and so on as for `run`.
            masks0: None or as many.
            images1: as many.
            masks1: None or as many.
        """
        sides = (images0, masks0, images1, masks1)
        with torch.inference_mode():
            with self.half():
                found = list(run(*sides))
            lost = [k for k, pair in enumerate(found) if pair is None]
            if lost and self.halved:
                if not self._told:
                    self._told = True
                    log.warning("%s overflows: such tiles are matched in float32", self.dtype)
                left0, holes0, left1, holes1 = (None if s is None else s[lost] for s in sides)
                if left0 is not None and left1 is not None:
                    for k, pair in zip(lost, run(left0, holes0, left1, holes1), strict=True):
                        found[k] = pair
        return [Found.none() if pair is None else pair for pair in found]


def exact(like: Tensor) -> AbstractContextManager[object]:
    """No automatic choice of types inside, on the device of a tensor."""
    # Tensors without storage, with which structure is tested, know of no such choice.
    return nullcontext() if like.is_meta else torch.autocast(like.device.type, enabled=False)


def all_finite(*batches: Tensor) -> list[bool]:
    """For each of B elements whether it has finite numbers only, in all of some (B, ...)."""
    fine = torch.stack([x.isfinite().flatten(1).all(1) for x in batches]).all(0)
    return [bool(k) for k in fine.tolist()]

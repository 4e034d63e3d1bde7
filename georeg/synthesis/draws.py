"""Random numbers that depend on a seed, an image's stream and a count, and on nothing else.

Counter-based (in the manner of Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"),
with the integer hash "lowbias32" of C. Wellons (public domain). Torch's own generators would make
an image depend on the size of its batch, and a GPU's numbers differ from a CPU's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B9


class Draws:
    """A stream of random numbers for each image of a batch.

    Every method returns a tensor whose first dimension is the batch. Each call goes on in the
    stream, as calls of a `torch.Generator` do.
    """

    def __init__(self, keys: Tensor) -> None:
        """Streams of the given (B, 2) int32 keys; `start` makes them."""
        self._keys = keys
        self._calls = 0

    @classmethod
    def start(
        cls, generator: torch.Generator, count: int, device: torch.device | str = "cpu"
    ) -> Draws:
        """`count` new streams, for images on a device.

        The first of many streams are those that fewer would have been.
        """
        ends = torch.iinfo(torch.int32)
        keys = torch.randint(
            ends.min, ends.max + 1, (count, 2), generator=generator, device=generator.device
        )
        return cls(keys.to(torch.int32).to(device))

    def __len__(self) -> int:
        """Number of streams."""
        return len(self._keys)

    @property
    def device(self) -> torch.device:
        """Where the numbers are made."""
        return self._keys.device

    def fork(self) -> Draws:
        """New streams, so that what one effect draws doesn't change what comes after it."""
        return Draws(torch.stack([self._hash((1,))[:, 0], self._hash((1,))[:, 0]], 1))

    def of(self, index: Tensor) -> Draws:
        """Streams of some images, from their present place on.

        Draws from these don't move the whole's place: `fork` first if both go on drawing.
        """
        part = Draws(self._keys[index])
        part._calls = self._calls
        return part

    def seeds(self) -> list[int]:
        """A seed for each image, for models that need generators of their own."""
        return [int(k) & 0x7FFFFFFF for k in self._hash((1,))[:, 0].tolist()]

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) floats between the two, neither included."""
        bits = (self._hash((math.prod(shape),)) >> 8) & 0xFFFFFF
        unit = (bits.float() + 0.5).mul_(2.0**-24).clamp_(max=1 - 2.0**-24)
        return unit.mul_(high - low).add_(low).reshape(len(self), *shape)

    def normal(self, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) of mean 0 and variance 1; none beyond 5.4."""
        return torch.erfinv(self.uniform(-1, 1, shape)).mul_(math.sqrt(2))

    def integers(self, low: int, high: int, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) int64, `high` not included."""
        return self.uniform(low, high, shape).floor().long().clamp(low, high - 1)

    def chance(self, share: float, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) bool, True in that share of cases."""
        return self.uniform(shape=shape) < share

    def sign(self, shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) of -1 and 1."""
        return self.chance(0.5, shape).float() * 2 - 1

    def choice(self, weights: Sequence[float], shape: Sequence[int] = ()) -> Tensor:
        """(B, *shape) int64 indices, as often as the weights say; they needn't sum to 1."""
        upper = torch.tensor(weights, dtype=torch.float64).cumsum(0)
        edges = (upper[:-1] / upper[-1]).float().to(self.device)
        return torch.bucketize(self.uniform(shape=shape), edges)

    def order(self, count: int) -> Tensor:
        """(B, count) int64: 0 .. count - 1 shuffled."""
        return self.uniform(shape=(count,)).argsort(1)

    def _hash(self, shape: tuple[int]) -> Tensor:
        """(B, n) int32, all bits random."""
        self._calls += 1
        turn = _mix(_wrapped(torch.tensor(self._calls * _GOLDEN & 0xFFFFFFFF)).to(self.device))
        first = _mix(self._keys[:, :1] ^ turn)
        second = _mix(self._keys[:, 1:] + turn)
        places = _mix(torch.arange(shape[0], dtype=torch.int32, device=self.device))
        return _mix((places[None] + second) ^ first)


def _wrapped(value: Tensor) -> Tensor:
    """uint32 in an int64 -> the int32 of the same bits."""
    return torch.where(value >= 1 << 31, value - (1 << 32), value).to(torch.int32)


def _mix(x: Tensor) -> Tensor:
    """int32 -> int32, one to one, every bit depending on all."""
    x = (x ^ ((x >> 16) & 0xFFFF)) * 0x7FEB352D
    x = (x ^ ((x >> 15) & 0x1FFFF)) * (0x846CA68B - (1 << 32))
    return x ^ ((x >> 16) & 0xFFFF)

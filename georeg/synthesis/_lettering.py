"""Words as maps have them: names made of syllables, and numbers, in the fonts of OpenCV."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis._ops import wide
from georeg.synthesis.draws import Draws

_WORDS = 48
_HEIGHT, _WIDTH = 32, 224  # of a word's picture
_SYLLABLES = (
    "al", "bor", "can", "dor", "el", "fen", "gra", "hol", "in", "jar", "kel", "lan", "mor", "nes",
    "or", "pil", "que", "ros", "sta", "tun", "ur", "ven", "wick", "yar", "zell", "berg", "ford",
    "mill", "lake", "park", "ton", "St ", "ham",
)  # fmt: skip


@functools.lru_cache(maxsize=1)
def _pictures() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(words, height, width) in [0, 1], words in the middle."""
    import cv2

    pictures = np.zeros((_WORDS, _HEIGHT, _WIDTH), np.uint8)
    fonts = (
        cv2.FONT_HERSHEY_SIMPLEX,
        cv2.FONT_HERSHEY_DUPLEX,
        cv2.FONT_HERSHEY_COMPLEX,
        cv2.FONT_HERSHEY_COMPLEX | cv2.FONT_ITALIC,
    )
    random = np.random.default_rng(4)
    for number, picture in enumerate(pictures):
        parts = random.choice(_SYLLABLES, random.integers(2, 4))
        word = "".join(parts).title() if number % 4 else str(random.integers(1, 2000))
        word = word.upper() if number % 5 == 1 else word
        font, scale = fonts[number % len(fonts)], 0.8
        (width, height), _ = cv2.getTextSize(word, font, scale, 1)
        scale = min(scale, scale * (_WIDTH - 8) / width)
        (width, height), _ = cv2.getTextSize(word, font, scale, 1)
        start = ((_WIDTH - width) // 2, (_HEIGHT + height) // 2)
        cv2.putText(picture, word, start, font, scale, 255, 1 + number % 2, cv2.LINE_AA)
    return (pictures / 255).astype(np.float32)


def words(
    images: Tensor, draws: Draws, most: int = 7, lying: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Words here and there.

    Args:
        images: (B, C, H, W), for the size.
        draws: one stream per image.
        most: how many words an image may have.
        lying: (B,) radians of turn that most words have; none if None.

    Returns:
        (B, 1, H, W) letters in [0, 1], and the same for the halo around them.
    """
    count, _, height, width = images.shape
    pictures = torch.from_numpy(_pictures()).to(images)[:, None]
    halos = F.max_pool2d(pictures, 5, 1, 2)
    both = torch.cat([pictures, halos], 1)
    number = draws.integers(0, most + 1)
    letters = images.new_zeros((count, 2, height, width))
    scale = 10 ** draws.uniform(-0.45, -0.1)  # 11 to 25 pixels of line height
    base = torch.zeros(count, device=images.device) if lying is None else lying
    for turn in range(most):
        picture = both[draws.integers(0, _WORDS)]
        angle = base + draws.normal() * 0.35 * draws.chance(0.25)
        here = scale * draws.uniform(0.85, 1.2)
        theta = _placing(angle, here, draws.uniform(-1, 1, (2,)), (height, width))
        grid = F.affine_grid(theta, [count, 2, height, width], align_corners=False)
        word = F.grid_sample(picture, grid, align_corners=False)
        letters = torch.maximum(letters, word * wide((number > turn).float()))
    return letters[:, :1], letters[:, 1:]


def _placing(angle: Tensor, scale: Tensor, middle: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 2, 3): from an image's place to a word's, both from -1 to 1."""
    height, width = size
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    rows = torch.stack(
        [
            cos * width / _WIDTH,
            sin * height / _WIDTH,
            -sin * width / _HEIGHT,
            cos * height / _HEIGHT,
        ],
        1,
    ).view(-1, 2, 2)
    return torch.cat([rows, -rows @ middle[:, :, None]], 2)

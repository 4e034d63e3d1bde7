"""Speckle: how strong it is, and how to calm it.

Speckle multiplies: on even ground amplitude or intensity spreads by a fixed share of its mean, by
0.523 / sqrt(L) and 1 / sqrt(L) for L looks (Goodman, J. Opt. Soc. Am. 66(11), 1976). Averaging
neighbours adds looks. benchmarks/results/radiometry.md has what else was tried: adaptive filters
(Lee, IEEE TPAMI 2(2), 1980) did no better than a small Gaussian, and no filter at all was best
where there are four looks or more.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

REACH = 4  # pixels around that matter for one, at most
_SIDE = 5  # of the windows in which spread is looked at
_QUIET = 25  # percentile of the local spread that counts as even ground
_WANTED = 0.2  # spread of amplitude that is left; 7 looks
_WIDEST = 1.1  # standard deviation of the Gaussian in pixels: details must live on
_NARROWEST = 0.4  # less than that does next to nothing; four looks need less


def local_moments(image: Image, mask: Mask) -> tuple[Image, Image, Image]:
    """Mean and variance of the valid pixels in 5 x 5, and the share of them that is valid.

    Args:
        image: (rows, columns), 0 where invalid.
        mask: the same shape, True where valid.
    """
    size = (_SIDE, _SIDE)
    share = np.asarray(cv2.blur(mask.astype(np.float32), size), np.float32)
    weight = np.maximum(share, np.float32(1e-6))
    # Squares of large numbers that hardly differ lose all digits in float32: centre them first.
    center = np.float32(image[mask].mean()) if mask.any() else np.float32(0)
    centred = np.where(mask, image - center, np.float32(0))
    mean = np.asarray(cv2.blur(centred, size) / weight, np.float32)
    variance = np.asarray(cv2.blur(np.square(centred), size) / weight, np.float32)
    variance -= np.square(mean)
    return mean + center, np.maximum(variance, 0, out=variance), share


def local_spread(image: Image, mask: Mask) -> Image:
    """(N,) standard deviation over mean of the 5 x 5 windows that are valid and above zero."""
    mean, variance, share = local_moments(image, mask)
    good = (share > 0.999) & (mean > 0)
    return np.asarray(np.sqrt(variance[good]) / mean[good], np.float32)


def speckle_spread(image: Image, mask: Mask) -> float:
    """Standard deviation over mean on even ground; 0 if no 5 x 5 pixels are valid together.

    Args:
        image: (rows, columns) amplitude or intensity, 0 where invalid.
        mask: where it is valid.
    """
    spread = local_spread(image, mask)
    if not spread.size:
        return 0.0
    return float(np.percentile(spread, _QUIET) * math.sqrt(_SIDE**2 / (_SIDE**2 - 1)))


def calm(image: Image, mask: Mask, spread: float) -> Image:
    """Averaged by a Gaussian just wide enough that speckle no longer drowns the structures.

    Independent pixels of a Gaussian of sigma s spread 2 sqrt(pi) s times less.

    Args:
        image: (rows, columns), 0 where invalid.
        mask: where it is valid.
        spread: of the amplitude on even ground, relative to its mean.

    Returns:
        The image itself where its speckle is weak.
    """
    sigma = min(spread / (2 * math.sqrt(math.pi) * _WANTED), _WIDEST)
    if sigma < _NARROWEST:
        return image
    size = (2 * REACH + 1, 2 * REACH + 1)
    out = np.asarray(cv2.GaussianBlur(image, size, sigma), np.float32)
    if not mask.all():
        weight = np.asarray(cv2.GaussianBlur(mask.astype(np.float32), size, sigma), np.float32)
        out /= np.maximum(weight, np.float32(1e-6), out=weight)
        out[~mask] = 0
    return out

"""Speckle: what it looks like, and how to calm it.

Speckle multiplies: in the logarithm it is additive noise of one strength everywhere (Goodman,
J. Opt. Soc. Am. 66(11), 1976). There the local linear minimum mean square error filter of Lee
(IEEE TPAMI 2(2), 1980) applies in its additive form: flat ground is averaged, and edges, whose
variance is more than the noise's, are left alone.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

REACH = 2  # pixels around that matter for one
_SIDE = 2 * REACH + 1
_QUIET = 25  # percentile of the local spread that counts as flat ground


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


def noise_level(image: Image, mask: Mask) -> float:
    """Standard deviation on flat ground: of the speckle, if the image is a logarithm (or dB).

    Args:
        image: (rows, columns).
        mask: where it is valid.

    Returns:
        0 if no 5 x 5 pixels are valid together.
    """
    _, variance, share = local_moments(image, mask)
    whole = variance[share > 0.999]
    if not whole.size:
        return 0.0
    # Sample variance of 25 values, which speckle's correlation between neighbours leaves low.
    unbiased = _SIDE**2 / (_SIDE**2 - 1)
    return float(np.sqrt(np.percentile(whole, _QUIET) * unbiased))


def despeckle(image: Image, mask: Mask, sigma: float) -> Image:
    """Lee's filter for additive noise of standard deviation `sigma`, in 5 x 5 pixels.

    Args:
        image: (rows, columns) of logarithms or dB.
        mask: where it is valid.
        sigma: of the noise, in the image's unit.

    Returns:
        (rows, columns); 0 where invalid.
    """
    mean, variance, _ = local_moments(image, mask)
    gain = np.maximum(variance - np.float32(sigma**2), 0)
    gain /= np.maximum(variance, np.float32(1e-12))
    out = image - mean
    out *= gain
    out += mean
    out[~mask] = 0
    return np.asarray(out, dtype=np.float32)

"""What an alpha band or a mask says of its pixels, and alpha bands that are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.inputs.header import Header

_ALPHA = 4  # 1-based; after red, green and blue
_SCALES = {"uint8": 1.0, "uint16": 257.0}  # of alpha bands, to 255
_LOOK = 32  # pixels a side of the windows in which an alpha band is looked at
_VARIES = 4.0  # of 255: standard deviation that no opacity has, but for its 0 and 255
_NEARLY = 15  # from 0 or 255, by which lossy compression changes a mask


def without_mistaken_alpha(dataset: Any, header: Header) -> Header:
    """The same, unless what it calls alpha varies like a picture: then that is a band like others.

    After red, green and blue GDAL declares a fourth band as alpha unless it is told otherwise:
    near infrared, mostly. Five small windows are looked at.

    Args:
        dataset: open, of rasterio.
        header: what it says.

    Raises:
        rasterio.errors.RasterioError: the windows can't be decoded.
    """
    kind = header.dtypes[-1]
    if header.colorinterp != ("red", "green", "blue", "alpha") or kind not in _SCALES:
        return header
    rows, columns = header.shape
    height, width = min(_LOOK, rows), min(_LOOK, columns)
    seen = []
    for y, x in ((1, 1), (1, 3), (2, 2), (3, 1), (3, 3)):
        top, left = y * (rows - height) // 4, x * (columns - width) // 4
        window = ((top, top + height), (left, left + width))
        seen.append(dataset.read(_ALPHA, window=window).ravel() / _SCALES[kind])
    opacity = np.concatenate(seen)
    if transparent(opacity) > 0 or opacity[opacity > 0].std() < _VARIES:
        return header
    interp = (*header.colorinterp[:-1], "undefined")
    return replace(header, colorinterp=interp, masked=False, mistaken_alpha=_ALPHA)


def transparent(opacity: npt.NDArray[Any]) -> int:
    """Up to which of 255 a pixel of a mask or an alpha band doesn't count.

    They hold 0 and 255, but for soft edges and lossy compression; or half of that everywhere,
    where a layer that shines through was exported.

    Args:
        opacity: of any shape, 0 to 255.
    """
    between = np.count_nonzero((opacity > _NEARLY) & (opacity < 255 - _NEARLY))
    return 0 if between > np.count_nonzero(opacity) / 2 else 127

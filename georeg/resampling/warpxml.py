"""The text of a virtual raster that GDAL's warper computes, block by block of ours.

Why a VRT and not rasterio.warp.reproject: the VRT format is GDAL's own and stays put, while
reproject approximates the mapping by up to 0.125 px (rasterio 1.4 and 1.5 differ in how that is
switched off) and can't say what validity of which band means. Why GDAL's kernels at all: they are
the reference for anti-aliasing, clamping and the handling of invalid pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.errors import SettingsError
from georeg.grid import Window
from georeg.resampling.nodes import Nodes
from georeg.resampling.validity import Layout, Prepared

# georeg's name -> GDAL's name in a VRT, and the kernel's radius in pixels.
_METHODS = {
    "nearest": ("NearestNeighbour", 1),
    "bilinear": ("Bilinear", 1),
    "cubic": ("Cubic", 2),
    "lanczos": ("Lanczos", 3),
    "average": ("Average", 2),
    "mode": ("Mode", 2),
}
METHODS = tuple(_METHODS)

_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
    "complex64": "CFloat32",
    "complex128": "CFloat64",
}
_OPAQUE = {"uint16": 65535, "int16": 32767, "int8": 127}

# Coordinates further out than any raster only have to stay outside, and finite.
_FAR = 1e8
_ENOUGH = 100  # nodes along a side, for a rough idea of a mapping


@dataclass(frozen=True)
class Kernel:
    """How pixels are resampled, the same for all blocks so that no seams arise.

    Attributes:
        method: one of `METHODS`.
        ratio: source pixels under an output pixel along the source's x and y, 1.0 where
            there is no downsampling to speak of.
        threads: threads within GDAL's kernel.
    """

    method: str
    ratio: tuple[float, float]
    threads: int = 1

    @classmethod
    def of(cls, method: str, ratio: tuple[float, float], threads: int = 1) -> Kernel:
        """A kernel that is widened (anti-aliased) as gdalwarp widens it.

        GDAL would derive the ratio from the size of each block's source window: different from
        block to block, and blurred by rotation, whose bounding box it takes for downsampling.

        Raises:
            SettingsError: there is no such method.
        """
        if method not in _METHODS:
            raise SettingsError(f"resampling '{method}' is none of {', '.join(METHODS)}")
        return cls(method, (_snap(ratio[0]), _snap(ratio[1])), threads)

    @property
    def margin(self) -> int:
        """Source pixels that the kernel may need around the position of an output pixel."""
        return math.ceil(_METHODS[self.method][1] * max(1.0, *self.ratio)) + 2


def _snap(ratio: float) -> float:
    # Both limits are GDAL's: no anti-aliasing up to 1/0.95, whole numbers taken as such.
    if ratio * 0.95 <= 1:
        return 1.0
    return float(round(ratio)) if abs(ratio - round(ratio)) < 0.05 else ratio


@dataclass(frozen=True, eq=False)
class NodeImage:
    """Node positions relative to a source window, fit for GDAL.

    Attributes:
        xy: (2, rows, columns).
        before: columns and rows that were added left of and above the nodes.
    """

    xy: npt.NDArray[np.float64]
    before: tuple[int, int]


def node_image(nodes: Nodes, source: Window) -> NodeImage:
    """The nodes of a block, continued until they surround the source window.

    GDAL also wants to go from the source to the output. It fails where nodes can't be inverted
    (all on one line), and if a corner of the source window leads nowhere, it takes the window for
    the rim of a globe and lets valid pixels grow into holes. So undefined nodes get a plausible
    position (their pixels are masked afterwards), and the grid is continued evenly; no pixel of
    the block lies in the cells that are added.
    """
    size = np.array([source.width, source.height], np.float64)
    xy = nodes.xy - np.array([source.x, source.y], np.float64)
    rows, columns = xy.shape[:2]
    index = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float64)
    finite = np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1])
    distance = np.where(finite, np.abs(xy - size / 2).max(axis=2), np.inf)
    origin, steps = _affine(index, xy, distance, size.max(), nodes.step)
    xy[~finite] = origin + index[~finite] @ steps
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]) * size
    reach = (corners - origin) @ np.linalg.inv(steps)
    # In nodes; bounded, because a wild mapping may have no sensible continuation.
    last = np.array([columns - 1, rows - 1])
    before = np.clip(np.ceil(-reach.min(axis=0)) + 2, 2, 2 * last + 8).astype(int)
    after = np.clip(np.ceil(reach.max(axis=0) - last) + 2, 2, 2 * last + 8).astype(int)
    pads = ((before[1], after[1]), (before[0], after[0]), (0, 0))
    beyond_x = np.arange(-before[0], columns + after[0])
    beyond_y = np.arange(-before[1], rows + after[1])
    beyond = np.stack(
        np.meshgrid(
            beyond_x - np.clip(beyond_x, 0, last[0]), beyond_y - np.clip(beyond_y, 0, last[1])
        ),
        axis=-1,
    )
    image = np.pad(np.clip(xy, -_FAR, _FAR), pads, mode="edge") + beyond @ steps
    return NodeImage(
        np.ascontiguousarray(np.moveaxis(image, -1, 0)), (int(before[0]), int(before[1]))
    )


def _affine(
    index: npt.NDArray[np.float64],
    xy: npt.NDArray[np.float64],
    distance: npt.NDArray[np.float64],
    near: float,
    step: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Least squares xy = origin + index @ steps, from nodes near the window, else from more.

    Plain steps where no fit can be inverted well.
    """
    skip = slice(None, None, max(1, max(distance.shape) // _ENOUGH))
    index, xy, distance = index[skip, skip], xy[skip, skip], distance[skip, skip]
    for limit in (near, 4 * near, _FAR):
        use = distance <= limit
        design = np.concatenate([np.ones((int(use.sum()), 1)), index[use]], axis=1)
        if len(design) < 3:
            continue
        fit, _, rank, _ = np.linalg.lstsq(design, xy[use], rcond=None)
        sides = np.hypot(*fit[1:].T).prod()
        if rank == 3 and abs(np.linalg.det(fit[1:])) > max(0.1 * sides, 1e-6):
            return fit[0], fit[1:]
    plain = np.eye(2) * step
    use = distance <= _FAR
    return (xy[use] - index[use] @ plain).mean(axis=0) if use.any() else np.zeros(2), plain


def warped_vrt(
    source: str,
    positions: str,
    before: tuple[int, int],
    window: Window,
    nodes: Nodes,
    prepared: Prepared,
    layout: Layout,
    kernel: Kernel,
) -> str:
    """XML of a virtual raster: `source` resampled into an output window in one piece.

    Its bands are the source's colours and, unless the nodata value marks invalid pixels, one more
    that is above zero where there is something.

    Args:
        source: name of a raster of the prepared colours, then alpha where there is one; its mask
            band counts if `prepared.valid` is set.
        positions: name of a raster of the `NodeImage`.
        before: see `NodeImage`.
        window: output pixels.
        nodes: that cover the window.
        prepared: what `source` holds.
        layout: of the output.
        kernel: how to resample.
    """
    colours = len(prepared.colours)
    dtype = prepared.colours.dtype.name
    opaque = _OPAQUE.get(dtype, 255)
    options = {
        "NUM_THREADS": kernel.threads,
        "XSCALE": repr(1 / kernel.ratio[0]),
        "YSCALE": repr(1 / kernel.ratio[1]),
        # Take the whole source as given: it was cut out for this window.
        "SOURCE_EXTRA": 1_000_000,
        "SAMPLE_GRID": "YES",
        "SAMPLE_STEPS": min(max(21, *nodes.xy.shape[:2]), 65),
        "ERROR_OUT_IF_EMPTY_SOURCE_WINDOW": "NO",
        "INIT_DEST": "NO_DATA" if prepared.nodata else 0,
        "SRC_ALPHA_MAX": opaque,
        "DST_ALPHA_MAX": opaque if layout.alpha is not None else 127,
    }
    nodata = ""
    if prepared.nodata and layout.nodata is not None:
        value = "nan" if math.isnan(layout.nodata) else repr(layout.nodata)
        nodata = "".join(
            f"<{side}NoDataReal>{value}</{side}NoDataReal><{side}NoDataImag>0</{side}NoDataImag>"
            for side in ("Src", "Dst")
        )
    mapping = "".join(
        f'<BandMapping src="{band}" dst="{band}">{nodata}</BandMapping>'
        for band in range(1, colours + 1)
    )
    alpha = f"<SrcAlphaBand>{colours + 1}</SrcAlphaBand>" if prepared.alpha is not None else ""
    if not prepared.nodata:
        alpha += f"<DstAlphaBand>{colours + 1}</DstAlphaBand>"
    bands = "".join(
        f'<VRTRasterBand dataType="{_TYPES[dtype]}" band="{band}" subClass="VRTWarpedRasterBand"/>'
        for band in range(1, colours + 1 + (not prepared.nodata))
    )
    settings = "".join(f'<Option name="{key}">{value}</Option>' for key, value in options.items())
    return (
        f'<VRTDataset rasterXSize="{window.width}" rasterYSize="{window.height}" '
        f'subClass="VRTWarpedDataset"><GeoTransform>1,1,0,1,0,1</GeoTransform>{bands}'
        # One block: GDAL then warps it in one piece instead of chunks of its own choice.
        f"<BlockXSize>{window.width}</BlockXSize><BlockYSize>{window.height}</BlockYSize>"
        f"<GDALWarpOptions><WarpMemoryLimit>0</WarpMemoryLimit>"
        f"<ResampleAlg>{_METHODS[kernel.method][0]}</ResampleAlg>"
        f"<WorkingDataType>{_TYPES[dtype]}</WorkingDataType>{settings}"
        f'<SourceDataset relativeToVRT="0">{source}</SourceDataset>'
        f"<Transformer>{_transformer(positions, before, window, nodes)}</Transformer>"
        f"<BandList>{mapping}</BandList>{alpha}</GDALWarpOptions></VRTDataset>"
    )


def _transformer(positions: str, before: tuple[int, int], window: Window, nodes: Nodes) -> str:
    # A geolocation array says where the pixels of a *source* lie. Reversed, it tells for pixels
    # of the output where they lie in the source, by plain bilinear interpolation of our nodes.
    items = {
        "X_DATASET": positions,
        "Y_DATASET": positions,
        "X_BAND": 1,
        "Y_BAND": 2,
        "PIXEL_OFFSET": nodes.start[0] - before[0] * nodes.step - window.x,
        "LINE_OFFSET": nodes.start[1] - before[1] * nodes.step - window.y,
        "PIXEL_STEP": nodes.step,
        "LINE_STEP": nodes.step,
        "GEOREFERENCING_CONVENTION": "TOP_LEFT_CORNER",
    }
    metadata = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in items.items())
    return (
        "<GeoLocTransformer><Reversed>1</Reversed>"
        f"<Metadata>{metadata}</Metadata></GeoLocTransformer>"
    )

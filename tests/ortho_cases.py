"""A synthetic satellite over synthetic hills: images with RPCs and known truth.

Truth comes from GDAL's RPC transformer, which puts the pixels of the image on the ground.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from cli_cases import Outcome, run
from georeg import transforms
from georeg.ortho.rpc import COEFFICIENTS, Rpc
from scenes import other_sensor, texture

Array = npt.NDArray[np.float64]

UTM = CRS.from_epsg(32633)
LON, LAT = 15.0, 48.0
EAST, NORTH = Transformer.from_crs(4326, UTM, always_xy=True).transform(LON, LAT)
SIDE = 420  # pixels of the image, 1 m each
MEAN = 600.0  # metres above the ellipsoid


def rpc_of(
    side: int = SIDE, gsd: float = 1.0, look: tuple[float, float] = (0.35, -0.15), **more: Any
) -> Rpc:
    """RPCs of an image that looks north-up onto the middle of the scene.

    Args:
        side: lines and samples.
        gsd: metres.
        look: by how many pixels a metre of height moves a point along samples and lines.
        more: other values of fields.
    """
    half = side / 2 * gsd
    rng = np.random.default_rng(3)
    small = {key: rng.uniform(-1, 1, 20) for key in COEFFICIENTS}
    size = np.array([0.0] * 4 + [3e-4] * 6 + [2e-5] * 10)
    high = 400.0
    line, samp = small["LINE_NUM_COEFF"] * size, small["SAMP_NUM_COEFF"] * size
    # Terms: 1, longitude, latitude, height, and what is left of a real orbit.
    line[:4] = 0.002, 0.01, -1.0, look[1] * high / half
    samp[:4] = -0.001, 1.0, 0.012, look[0] * high / half
    line_den, samp_den = small["LINE_DEN_COEFF"] * size, small["SAMP_DEN_COEFF"] * size
    line_den[:4] = 1.0, 2e-4, -3e-4, 1e-4
    samp_den[:4] = 1.0, 2e-4, -3e-4, 1e-4
    rpc = Rpc(
        line_off=side / 2 - 0.5,
        samp_off=side / 2 - 0.5,
        lat_off=LAT,
        long_off=LON,
        height_off=MEAN,
        line_scale=side / 2,
        samp_scale=side / 2,
        lat_scale=half / 111_200.0,
        long_scale=half / (111_320.0 * math.cos(math.radians(LAT))),
        height_scale=high,
        line_num_coeff=tuple(line.tolist()),
        line_den_coeff=tuple(line_den.tolist()),
        samp_num_coeff=tuple(samp.tolist()),
        samp_den_coeff=tuple(samp_den.tolist()),
    )
    return replace(rpc, **more)


def gdal_rpc(rpc: Rpc) -> RPC:
    """The same as rasterio has it."""
    found: dict[str, Any] = {}
    for key, text in rpc.to_tags().items():
        values = [float(word) for word in text.split()]
        found[key.lower()] = values if len(values) > 1 else values[0]
    return RPC(**found)


def save(path: Path, bands: Any, rpc: Rpc | None = None, **profile: Any) -> str:
    """A GeoTIFF of (rows, columns) or (bands, rows, columns)."""
    bands = np.asarray(bands)
    bands = bands[None] if bands.ndim == 2 else bands
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", dtype=bands.dtype, **shape, **profile) as file:
        if rpc is not None:
            file.rpcs = gdal_rpc(rpc)
        file.write(bands)
    return str(path)


def hills(x: Array, y: Array, relief: float = 60.0) -> Array:
    """Metres above the ellipsoid at metres from the middle."""
    return np.asarray(
        MEAN + relief * (np.sin(x / 83.0) * np.cos(y / 71.0) + 0.4 * np.sin((x + 2 * y) / 41.0))
    )


def make_dem(
    path: Path, *, reach: float = 600.0, step: float = 5.0, above: float = 0.0, **profile: Any
) -> str:
    """The hills as a DEM in UTM.

    Args:
        path: of the file.
        reach: metres from the middle to the edges.
        step: metres.
        above: metres from the ellipsoid up to what heights are counted from.
        profile: of rasterio; `holes` masks (rows, columns).
    """
    holes = profile.pop("holes", None)
    n = round(2 * reach / step)
    at = (np.arange(n) + 0.5) * step - reach
    x, y = np.meshgrid(at, -at)
    height = (hills(x, y) - above).astype(np.float32)
    if holes is not None:
        height[holes] = -9999
    place = {"crs": UTM.to_wkt(), "transform": Affine(step, 0, EAST - reach, 0, -step,
                                                      NORTH + reach), "nodata": -9999}  # fmt: skip
    return save(path, height, **{**place, **profile})


def look_through(rpc: Rpc, dem: str, side: int = SIDE, relief: bool = True) -> Array:
    """(side, side, 2) metres east and north of the middle that each pixel shows, by GDAL."""
    rows, columns = np.mgrid[:side, :side] + 0.5
    options = {"RPC_PIXEL_ERROR_THRESHOLD": "0.001", "RPC_MAX_ITERATIONS": "200"}
    with RPCTransformer(gdal_rpc(rpc), RPC_DEM=dem, **options) as transformer:
        lon, lat = transformer.xy(rows.ravel(), columns.ravel(), offset="ul")
    x, y = Transformer.from_crs(4326, UTM, always_xy=True).transform(lon, lat)
    return np.stack([x - EAST, y - NORTH], axis=-1).reshape(side, side, 2)


@dataclass(frozen=True)
class Ground:
    """What lies on the hills: a picture of 1 m, its middle in the middle."""

    image: npt.NDArray[np.float32]

    @classmethod
    def make(cls, reach: int = 400, seed: int = 0) -> Ground:
        return cls(texture((2 * reach, 2 * reach), seed))

    def at(self, xy: Array) -> npt.NDArray[np.float32]:
        """Grey at (rows, columns, 2) metres from the middle."""
        half = self.image.shape[0] / 2
        column, row = xy[..., 0] + half - 0.5, half - xy[..., 1] - 0.5
        return np.asarray(
            cv2.remap(
                self.image, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LANCZOS4
            ),
            np.float32,
        )


@dataclass(frozen=True)
class Scene:
    """Files, and the RPCs that are right."""

    image: str
    dem: str
    reference: str
    rpc: Rpc


def make_scene(folder: Path, given: Rpc | None = None, **options: Any) -> Scene:
    """An image over hills whose file has other RPCs than it should, and a reference.

    Args:
        folder: for the files.
        given: the RPCs in the image's file; the right ones if None.
        options: `rpc`: the right ones; `gcps`; `flip`: numpy's axis.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rpc: Rpc = options.get("rpc") or rpc_of()
    dem = make_dem(folder / "dem.tif")
    ground = Ground.make()
    seen = other_sensor(ground.at(look_through(rpc, dem)), noise=0.01)
    pixels = np.clip(np.rint(seen * 2000 + 100), 1, 4000).astype(np.uint16)
    if "flip" in options:
        pixels = np.flip(pixels, options["flip"])
    gcps = options.get("gcps")
    more = {} if gcps is None else {"gcps": gcps, "crs": UTM.to_wkt()}
    image = save(folder / "image.tif", pixels, given or rpc, **more)
    reach = 280
    at = np.arange(-reach, reach) + 0.5
    grey = ground.at(np.stack(np.meshgrid(at, -at), axis=-1))
    reference = save(
        folder / "reference.tif",
        np.clip(np.rint(grey * 254 + 1), 1, 255).astype(np.uint8),
        crs=UTM.to_wkt(),
        transform=Affine(1, 0, EAST - reach, 0, -1, NORTH + reach),
    )
    return Scene(image, dem, reference, rpc)


def difference(one: Rpc, other: Rpc, side: int = SIDE) -> float:
    """Largest distance in pixels between two RPCs within an image."""
    x, y, h = np.meshgrid(
        np.linspace(0, side, 7), np.linspace(0, side, 7), np.linspace(MEAN - 100, MEAN + 100, 3)
    )
    lonlat = other.locate(np.stack([x.ravel(), y.ravel()], axis=1), h.ravel())
    return float(
        np.hypot(*(one.project(lonlat, h.ravel()) - other.project(lonlat, h.ravel())).T).max()
    )


FAST = ("--threads", "1")
DRIFT = transforms.from_dict(
    {"name": "affine", "matrix": [[1, 0.004, 12], [0, 1.003, -9], [0, 0, 1]]}
)
"""(12, -9) pixels and a drift, as a bias of RPCs."""


def ortho(scene: Scene, out: Path, *args: Any, reference: bool = False) -> Outcome:
    """Run `georeg ortho`."""
    more = ("--reference", scene.reference) if reference else ()
    return run("ortho", scene.image, "--dem", scene.dem, "-o", out, *more, *FAST, *args)


def report_of(out: Path) -> dict[str, Any]:
    """The report beside an output."""
    data: dict[str, Any] = json.loads(out.with_suffix("").with_suffix(".report.json").read_text())
    return data


def pixels(path: Path | str) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Affine]:
    """Band 1, mask and geotransform."""
    with rasterio.open(path) as file:
        return file.read(1).astype(float), file.dataset_mask() > 0, file.transform

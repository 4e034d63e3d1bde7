"""Images to learn from: files of one place form a scene, whose layers show the same ground.

A layer is synthesised from, or, where it is `real`, shown as it is: radar can't be made to look
like a map by what we know, but it is what radar looks like. Layers that don't quite lie on each
other are `aligned` first, by georeg itself.
"""

from __future__ import annotations

import glob
import logging
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from georeg.align import measure
from georeg.errors import InputError, SettingsError
from georeg.grid import Grid, Window
from georeg.pairing.scene import reference_georef
from georeg.raster import Raster
from georeg.settings import Settings
from georeg.textfile import write_bytes

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

CITY = "city"

_LEAST = 64  # pixels a side
_BYTE = 255.0
_ENDS = (0.2, 99.8)  # percentiles that become 0 and 1 where values aren't bytes


@dataclass(frozen=True)
class Source:
    """A set of files.

    Attributes:
        files: a regular expression for paths below the root; 'city' for none: scenes are made up
            (see georeg/training/city). Its groups `scene` and `layer` tell
            what belongs together; all files are of one scene without `scene`, and a scene has one
            layer without `layer`.
        weight: how often one of its scenes is drawn, relative to other sources; 0 uses it not.
        real: layers that are only shown as they are; a regular expression for the whole name.
        aligned: layers to be aligned to the scene's first layer that isn't; likewise.
        modality: of the aligned layers, for georeg.
        mixed: whether three single bands of a scene, drawn at random, may be its colours.
        licence: of the images, for model cards.
    """

    files: str
    weight: float = 1.0
    real: str = ""
    aligned: str = ""
    modality: str = "auto"
    mixed: bool = False
    licence: str = ""


@dataclass(frozen=True)
class Layer:
    """One file of a scene.

    Attributes:
        name: within the scene.
        path: of the file.
        real: see `Source`.
        aligned: see `Source`.
    """

    name: str
    path: str
    real: bool = False
    aligned: bool = False


@dataclass(frozen=True)
class Scene:
    """What is known of one place."""

    name: str
    layers: tuple[Layer, ...]
    source: Source
    weight: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """A scene's layers in memory.

    Attributes:
        layers: (H, W, 1 or 3) bytes each, of the first one's size.
        masks: (H, W) True where valid.
        real: names of those that are only shown as they are, None for the others.
        mixed: see `Source`.
    """

    layers: tuple[npt.NDArray[np.uint8], ...]
    masks: tuple[Mask, ...]
    real: tuple[str | None, ...]
    mixed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.layers[0].shape[:2]
        return int(rows), int(columns)

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(part.nbytes for part in (*self.layers, *self.masks))


def scenes(root: str, sources: Sequence[Source], without: str = "") -> list[Scene]:
    """All scenes of all sources, in order of their names.

    Args:
        root: folder below which the files lie.
        sources: what to look for.
        without: folder whose files are none, wherever it lies: results of an earlier run.

    Raises:
        SettingsError: a pattern is no regular expression or matches no file, or no source is used.
    """
    found = []
    paths = sorted(glob.glob("**/*", root_dir=root, recursive=True))
    if without:
        here = os.path.join(os.path.relpath(os.path.realpath(without), os.path.realpath(root)), "")
        paths = [path for path in paths if not path.startswith(here)]
    for source in sources:
        if source.weight <= 0:
            continue
        if source.files == CITY:
            found.append(Scene(CITY, (), source, source.weight))
            continue
        groups: dict[str, list[Layer]] = {}
        try:
            pattern = re.compile(source.files)
            for path in paths:
                match = pattern.fullmatch(path)
                if match is None or not os.path.isfile(os.path.join(root, path)):
                    continue
                name = match.groupdict().get("scene") or ""
                layer = match.groupdict().get("layer") or Path(path).stem
                real, aligned = (
                    bool(p) and re.fullmatch(p, layer) is not None
                    for p in (source.real, source.aligned)
                )
                item = Layer(layer, os.path.join(root, path), real, aligned)
                groups.setdefault(name, []).append(item)
        except re.error as error:
            raise SettingsError(f"files = '{source.files}': {error}") from None
        if not groups:
            raise SettingsError(f"files = '{source.files}': no file below {root} is called so")
        share = source.weight / len(groups)
        for name in sorted(groups):
            layers = tuple(sorted(groups[name], key=lambda l: (l.aligned, l.real, l.name)))
            found.append(Scene(name, layers, source, share))
    if not found:
        raise SettingsError("none of the sources has a weight above 0")
    return found


def with_aligned(scene: Scene, folder: str) -> Scene:
    """The scene with its layers aligned to the first one; files that are there already are kept.

    Layers for which georeg refuses are left out, and the log says so.

    Args:
        scene: any.
        folder: where aligned layers are put.
    """
    kept = []
    for layer in scene.layers:
        if not layer.aligned or layer is scene.layers[0]:
            kept.append(layer)
            continue
        first = scene.layers[0].path
        # Files of many places may be called alike.
        key = zlib.crc32(os.fsencode(f"{layer.path}\n{first}"))
        path = os.path.join(folder, f"{Path(layer.path).stem}-{key:08x}.png")
        if os.path.exists(path) or _align(layer.path, first, path, scene.source):
            kept.append(replace(layer, path=path))
    return replace(scene, layers=tuple(kept))


def _align(moving: str, reference: str, path: str, source: Source) -> bool:
    """Store the moving image on the reference's pixels, its mask as a last channel.

    Pixel grids are all there is: training images needn't have a georeference.
    """
    settings = Settings(georef=False, moving_modality=source.modality, threads=1)
    result = measure(moving, reference, settings)
    log.info("%s: %s", moving, result.verdict.sentence())
    if not result.verdict.ok or result.fit is None:
        return False
    data, mask = _read(moving)
    georef, crs = reference_georef(reference, settings)
    with Raster(reference) as like, Raster(moving) as raster:
        rows, columns = like.header.shape
        x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        xy = georef.to_map(np.stack([x.ravel(), y.ravel()], axis=1))
        to_pixel = result.fit.mapping(raster.header, moving, _unit(like.header.shape, crs))
    place = (to_pixel(xy) - 0.5).astype(np.float32).reshape(rows, columns, 2)
    moved = cv2.remap(data, place[..., 0], place[..., 1], cv2.INTER_CUBIC)
    seen = cv2.remap(mask.astype(np.float32), place[..., 0], place[..., 1], cv2.INTER_LINEAR)
    valid = np.where(seen > 0.999, 255, 0).astype(np.uint8)
    colour = np.repeat(moved.reshape(rows, columns, -1), 3 // data.shape[2], axis=2)
    _, encoded = cv2.imencode(".png", np.dstack([colour[..., ::-1], valid]))
    write_bytes(path, encoded.tobytes())
    return True


def _unit(shape: tuple[int, int], crs: CRS | None) -> Grid:
    """A grid whose pixels are map units: mappings from it start at map positions."""
    return Grid(shape, Affine.identity(), crs)


def pictures(scene: Scene) -> Pictures:
    """Read a scene.

    Raises:
        InputError: a file can't be read, or is too small.
    """
    layers: list[npt.NDArray[np.uint8]] = []
    masks: list[Mask] = []
    for layer in scene.layers:
        data, mask = _read(layer.path)
        if layers and data.shape[:2] != layers[0].shape[:2]:
            data, mask = _fitted(data, mask, (layers[0].shape[0], layers[0].shape[1]))
        layers.append(data)
        masks.append(mask)
    real = tuple(f"real-{layer.name}" if layer.real else None for layer in scene.layers)
    return Pictures(tuple(layers), tuple(masks), real, scene.source.mixed)


def _read(path: str) -> tuple[npt.NDArray[np.uint8], Mask]:
    """(H, W, 1 or 3) bytes and the mask."""
    with Raster(path) as raster:
        rows, columns = raster.header.shape
        if min(rows, columns) < _LEAST:
            raise InputError(f"{path}: {columns} x {rows} pixels are too few to learn from")
        bands = (1, 2, 3) if raster.header.count >= 3 else (1,)
        pixels = raster.read(Window(0, 0, columns, rows), None, bands)
        byte = all(dtype == "uint8" for dtype in raster.header.dtypes)
    data = np.moveaxis(pixels.data, 0, 2)
    if not byte:
        valid = data[pixels.mask]
        low, high = np.percentile(valid, _ENDS) if valid.size else (0.0, 1.0)
        data = ((data - low) * (_BYTE / max(high - low, 1e-9))).astype(np.float32)
    return np.clip(np.rint(data), 0, _BYTE).astype(np.uint8), pixels.mask


def _fitted(
    data: npt.NDArray[np.uint8], mask: Mask, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], Mask]:
    """Coarser or finer layers of the same ground on another grid."""
    size = (shape[1], shape[0])
    finer = shape[0] > data.shape[0]
    way = cv2.INTER_CUBIC if finer else cv2.INTER_AREA
    out = np.asarray(cv2.resize(data, size, interpolation=way), np.uint8)
    seen = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return out.reshape(*shape, data.shape[2]), np.asarray(seen > 0)

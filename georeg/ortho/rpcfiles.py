"""Where the RPCs of an image come from, and where refined ones go.

GDAL's reading comes first: tags, .RPB and _RPC.TXT of the image's own name, DIMAP, NITF. What
GDAL doesn't read, and files of other names, are read by the modules rpc_*.py.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from types import ModuleType

from georeg.errors import InputError, SettingsError
from georeg.ortho import rpc_dimap, rpc_geom, rpc_rpb, rpc_txt
from georeg.ortho.rpc import Rpc
from georeg.raster import Raster
from georeg.textfile import read_text, write_text

_FORMATS: tuple[ModuleType, ...] = (rpc_geom, rpc_rpb, rpc_txt, rpc_dimap)
# Their pixels are those of the whole scene, also where the image beside them is a part of it.
_OF_SCENE = (rpc_geom, rpc_dimap)
# A file of a scene that comes in several, as Airbus names them.
_TILE = re.compile(r"IMG_(.+)_R(\d+)C(\d+)")
_MOST_BYTES = 2**22
_BESIDE = (".geom",)
_WHERE = "tags, .RPB, _RPC.TXT, DIMAP XML, NITF, .geom"


@dataclass(frozen=True)
class Source:
    """RPCs of an image, in its own pixels.

    Attributes:
        rpc: the coefficients.
        origin: where they were found, for people.
        crop: first column and row of the image in the scene that the RPCs were written for.
    """

    rpc: Rpc
    origin: str
    crop: tuple[int, int] = (0, 0)


def find_rpc(raster: Raster, given: str | None = None) -> Source | None:
    """The RPCs of an image; None if it has none.

    Args:
        raster: the image.
        given: a file to take them from instead: any format, or a raster with RPCs of its own.

    Raises:
        InputError: the RPCs are malformed, or `given` has none.
    """
    if given is not None:
        return _from_file(given, raster)
    _check_rpb(raster)
    tags = rpc_tags(raster)
    if tags:
        rpc = Rpc.from_tags(tags, raster.name)
        _check_placed(raster, rpc)
        return Source(rpc, "GDAL")
    stem = os.path.splitext(raster.name)[0]
    for suffix in _BESIDE:
        if os.path.isfile(stem + suffix):
            return _from_file(stem + suffix, raster)
    return None


def need_rpc(raster: Raster, given: str | None = None) -> Source:
    """The RPCs of an image.

    Raises:
        InputError: it has none, or they are malformed.
    """
    source = find_rpc(raster, given)
    if source is not None:
        return source
    gcps, _ = raster.dataset().gcps
    if gcps:
        raise InputError(
            f"{raster.name} has {len(gcps)} GCPs but no RPCs: align it with 'georeg align', whose "
            "2-D transforms handle GCPs, or name its RPCs with --rpc"
        )
    raise InputError(
        f"{raster.name} has no RPCs (looked for {_WHERE}): name them with --rpc. Frames that come "
        "with interior and exterior orientation instead are not supported"
    )


def rpc_tags(raster: Raster) -> dict[str, str]:
    """What GDAL says of an image's RPCs; empty if nothing."""
    return dict(raster.dataset().tags(ns="RPC"))


def _from_file(path: str, raster: Raster) -> Source:
    text = _text(path)
    for kind in _FORMATS:
        if text and kind.looks_so(text):
            rpc: Rpc = kind.read(text, path)
            x, y = _crop(raster) if kind in _OF_SCENE else (0, 0)
            if kind is rpc_dimap and (x, y) == (0, 0) and _tile(raster) is not None:
                raise _unplaced(raster, path)
            return Source(rpc.moved(-x, -y), path, (x, y))
    with Raster(path) as other:
        tags = rpc_tags(other)
        if not tags:
            raise InputError(f"{path} holds no RPCs: give {_WHERE}")
        if other.header.shape != raster.header.shape:
            raise InputError(
                f"{path} has another size than {raster.name}: its RPCs belong to other pixels"
            )
        return Source(Rpc.from_tags(tags, path), path)


def _check_rpb(raster: Raster) -> None:
    """Of an .RPB that it can't read GDAL says nothing, and takes what tags the image has.

    Raises:
        InputError: it is there, and broken.
    """
    stem = os.path.splitext(raster.name)[0]
    for path in (stem + ".RPB", stem + ".rpb"):
        if not os.path.isfile(path):
            continue
        text = _text(path)
        if not rpc_rpb.is_whole(text):
            raise InputError(
                f"{path} holds no RPCs that can be read, or ends before its end: get it anew or "
                f"take it away, or name RPCs with --rpc ({raster.name}, if its own are meant)"
            )
        rpc_rpb.read(text, path)


def _tile(raster: Raster) -> str | None:
    """Name of the RPCs of a file's scene; None for a scene of one file, or for its first one."""
    folder, name = os.path.split(raster.name)
    found = _TILE.fullmatch(os.path.splitext(name)[0])
    if found is None or int(found[2]) == int(found[3]) == 1:
        return None
    return os.path.join(folder, f"RPC_{found[1]}.XML")


def _check_placed(raster: Raster, rpc: Rpc) -> None:
    """Without DIM_*.XML GDAL takes the scene's RPCs for those of each of its files.

    Raises:
        InputError: it did.
    """
    path = _tile(raster)
    text = "" if path is None else _text(path)
    if path is None or not rpc_dimap.looks_so(text):
        return
    scene = rpc_dimap.read(text, path)
    if (rpc.samp_off, rpc.line_off) == (scene.samp_off, scene.line_off):
        raise _unplaced(raster, path)


def _unplaced(raster: Raster, path: str) -> InputError:
    return InputError(
        f"{raster.name} is one of several files of a scene, and the RPCs in {path} count from the "
        "scene's first pixel: put DIM_*.XML, which says where each file lies, and RPC_*.XML beside "
        "it and leave --rpc away, or orthorectify DIM_*.XML itself"
    )


def _text(path: str) -> str:
    """The file's text; empty if it is none, which may still be a raster."""
    if not os.path.isfile(path) or os.path.getsize(path) > _MOST_BYTES:
        return ""
    try:
        return read_text(path)
    except InputError:
        return ""


def _crop(raster: Raster) -> tuple[int, int]:
    """Where a part cut out of a scene lies in it.

    The Orfeo ToolBox says so by a geotransform without CRS that counts pixels.
    """
    t = raster.dataset().transform
    if raster.header.crs is not None or (t.a, t.b, t.d, abs(t.e)) != (1.0, 0.0, 0.0, 1.0):
        return 0, 0
    x, y = t.c, abs(t.f)
    return (int(x), int(y)) if x == int(x) and y == int(y) and x >= 0 else (0, 0)


def check_sidecar(path: str) -> None:
    """Look at the name of a file that RPCs are to be written to.

    Raises:
        SettingsError: it tells no format.
    """
    _format_of(path)


def check_beside(image: str | None, what: str, ours: str | None) -> None:
    """Look for RPCs that GDAL would take for those of an image that is to be written.

    Args:
        image: name of the image.
        what: it is, for messages.
        ours: file of RPCs that is written, too, and may lie there.

    Raises:
        SettingsError: there are some.
    """
    if image is None:
        return
    stem = os.path.splitext(image)[0]
    for suffix in ("_RPC.TXT", "_rpc.txt", ".RPB", ".rpb"):
        path = stem + suffix
        if os.path.isfile(path) and (
            ours is None or os.path.abspath(ours) != os.path.abspath(path)
        ):
            raise SettingsError(
                f"{path} is there, GDAL would take it for RPCs of {what}: give one of them another "
                "name"
            )


def write_rpc(path: str, rpc: Rpc, *, overwrite: bool = True) -> None:
    """Write RPCs; the name picks the format: .RPB, or _RPC.TXT (.txt).

    Raises:
        SettingsError: the name tells no format, or the file exists and may not be overwritten.
        OutputError: it can't be written.
    """
    write_text(path, _format_of(path).write(rpc), overwrite=overwrite)


def _format_of(path: str) -> ModuleType:
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".rpb":
        return rpc_rpb
    if suffix == ".txt":
        return rpc_txt
    raise SettingsError(
        f"{path}: RPCs are written as .RPB or _RPC.TXT; GDAL finds them beside an image of the "
        "same name"
    )

"""A stored report, and the rasters that it is about looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from affine import Affine

from georeg import transforms
from georeg.errors import GeoregError, InputError, SettingsError
from georeg.grid import Grid
from georeg.inputs.georef import AffineGeoref
from georeg.pairing.scene import Scene, open_scene
from georeg.report.contents import FORMAT, VERSION
from georeg.report.facts import DAMAGE, damaged, gather
from georeg.report.files import drawn
from georeg.report.page import read_page
from georeg.report.pictures import Pictures, take_pictures
from georeg.settings import Settings
from georeg.textfile import is_page, read_json, read_text


def read_report(path: str) -> dict[str, Any]:
    """A report that was stored as JSON or as a page.

    Raises:
        InputError: it is missing, no report, or made by a newer version.
    """
    if is_page(path):
        report = read_page(read_text(path))
        if report is None:
            raise InputError(f"{path} is no report of georeg")
    else:
        report = read_json(path, "a report of georeg")
    if report.get("format") != FORMAT:
        hint = ""
        if report.get("format") == "georeg-fit":
            hint = ": it is a fit, give the report that was written with it"
        elif report.get("task") == "ortho":
            hint = " that has plots: it is one of an orthoimage, which is read as it is"
        raise InputError(f"{path} is no report of georeg{hint}")
    if not isinstance(report.get("version"), int) or report["version"] > VERSION:
        raise InputError(f"{path} was written by a newer georeg: upgrade to read it")
    return report


def look_again(report: Mapping[str, Any], moving: str = "", reference: str = "") -> Pictures:
    """Views of the rasters that a report is about.

    Args:
        report: as it was stored.
        moving: where the moving raster is now; where it was if empty.
        reference: the same of the reference.

    Raises:
        InputError: a raster can't be read any more, or the report is damaged.
    """
    try:
        settings = _settings(report["settings"])
        names = moving or str(report["moving"]), reference or str(report["reference"])
        facts = gather(report, None)
        with open_scene(*names, settings) as scene:
            model = report["model"]
            transform = None if model is None else transforms.from_dict(dict(model))
            scene = _placed(scene, report)
            return take_pictures(scene, transform, facts.worth_a_look)
    except SettingsError as error:
        raise InputError(str(error)) from None
    except DAMAGE as error:
        raise damaged(error) from None


def draw_again(report: Mapping[str, Any], pictures: Pictures | None, kind: str) -> dict[str, bytes]:
    """The plots of a stored report, by their names.

    Args:
        report: as it was stored.
        pictures: what is behind them; None where the rasters can't be read.
        kind: png or svg.

    Raises:
        InputError: the report is damaged.
        SettingsError: see `drawn`.
    """
    facts = gather(report, pictures)
    try:
        return drawn(facts, kind)
    except GeoregError:
        raise
    except DAMAGE as error:  # parts that only the plots look at
        raise damaged(error) from None


def _settings(stored: Mapping[str, Any]) -> Settings:
    known = {f.name: stored[f.name] for f in fields(Settings) if f.name in stored}
    lists = {name: tuple(v) for name, v in known.items() if isinstance(v, list)}
    return Settings(**(known | lists))


def _placed(scene: Scene, report: Mapping[str, Any]) -> Scene:
    """The scene in the frame that the report speaks of."""
    stored = report["frame"]
    rows, columns = (int(n) for n in stored["shape"])
    transform = Affine(*(float(v) for v in stored["transform"]))
    frame = replace(scene.frame, grid=Grid((rows, columns), transform, scene.frame.grid.crs))
    if report["placement"] is not None:
        place = Affine(*(float(v) for v in report["placement"]))
        frame = replace(frame, moving=AffineGeoref(place))
    return replace(scene, frame=frame)

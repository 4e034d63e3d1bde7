"""`georeg info`: what georeg sees in a raster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from georeg.errors import GeoregError
from georeg.settings import MODALITIES

from .command import Command, Session
from .console import say
from .options import TALK, argument, optional, options, settings_of

if TYPE_CHECKING:
    from georeg.raster import Header, Raster
    from georeg.settings import Settings


@click.command("info", cls=Command)
@argument("raster")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@options("moving-bands")
@optional(
    "--modality",
    section="Inputs",
    type=click.Choice(MODALITIES),
    default="auto",
    help="What the raster shows.",
)
@options("moving-nodata", "moving-crs", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Print what georeg sees in RASTER, and how it looks at it.

    Size, bands, CRS, bounds, pixel size; and what the image is that matchers get.
    """
    settings = settings_of({**params, "moving_modality": params["modality"]})
    from georeg.crs import parse_crs
    from georeg.raster import Raster

    crs = None if settings.moving_crs is None else parse_crs(settings.moving_crs)
    with Raster(params["raster"], nodata=settings.moving_nodata, crs=crs) as raster:
        seen, about = _seen(raster, settings), raster.header.about_alpha(raster.name)
    say(json.dumps(seen, indent=1) if params["as_json"] else _text(seen))
    for warning in filter(None, (about, seen["problem"])):
        session.console.event(30, "log", warning)


def _seen(raster: Raster, settings: Settings) -> dict[str, Any]:
    from georeg.crs import crs_name
    from georeg.radiometry import fit_radiometry
    from georeg.textfile import finite

    header = raster.header
    look, problem = None, None
    try:
        look = fit_radiometry(raster, settings.moving_modality, settings.moving_bands)
    except GeoregError as error:
        problem = str(error)
    grid = header.grid
    found: dict[str, Any] = finite(
        {
            "name": raster.name,
            "width": header.shape[1],
            "height": header.shape[0],
            "bands": [
                {
                    "band": i + 1,
                    "dtype": header.dtypes[i],
                    "nodata": _nodata(header.nodata[i]),
                    "colour": header.colorinterp[i],
                    "name": header.descriptions[i],
                }
                for i in range(header.count)
            ],
            "mask": header.masked,
            "palette": header.palette is not None,
            "crs": None if header.crs is None else crs_name(header.crs),
            "georeference": _georeference(header),
            "rpcs": header.has_rpcs,
            "geolocation_arrays": header.located_by_arrays,
            "transform": None if grid is None else list(grid.transform)[:6],
            "bounds": None if grid is None else list(grid.bounds()),
            "pixel_size": _pixel_size(header),
            "gsd_m": _gsd(header),
            "modality": None if look is None else look.modality,
            "evidence": None if look is None else look.why,
            "looks_at_bands": None if look is None else list(look.bands),
            "problem": problem,
        }
    )
    return found


def _nodata(value: float | None) -> float | str | None:
    """NaN is no JSON, but a nodata value."""
    return "nan" if value is not None and value != value else value


def _georeference(header: Header) -> str:
    if header.georef is None:
        return "none"
    georef = header.georef.to_dict()
    return f"{georef['count']} GCPs" if georef["kind"] == "gcps" else str(georef["kind"])


def _pixel_size(header: Header) -> list[float] | None:
    """Units of the raster's CRS, whatever they are, per pixel in the middle."""
    import math

    if header.grid is None:
        return _step(header, (1.0, 1.0))
    t = header.grid.transform
    return [math.hypot(t.a, t.d), math.hypot(t.b, t.e)]  # to the last bit


def _gsd(header: Header) -> list[float] | None:
    """Metres per pixel in the middle, along columns and rows."""
    from georeg.crs import metres_per_unit

    if header.georef is None:
        return None
    middle = header.georef.to_map(_middle(header))[0]
    return _step(header, metres_per_unit(header.crs, middle))


def _step(header: Header, scale: tuple[float, float] | None) -> list[float] | None:
    """Length of a step along columns and along rows, in the middle; `scale` is that of a unit."""
    import numpy as np

    if header.georef is None or scale is None:
        return None
    at = header.georef.to_map(_middle(header) + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    found = [float(v) for v in np.hypot(*((at[1:] - at[0]) * scale).T)]
    return found if np.isfinite(found).all() else None


def _middle(header: Header) -> Any:
    """(1, 2) pixel in the middle."""
    import numpy as np

    return np.array([[header.shape[1] / 2, header.shape[0] / 2]])


def _size_text(seen: dict[str, Any]) -> str:
    gsd, size = seen["gsd_m"], seen["pixel_size"]
    if gsd is not None:
        return f"{gsd[0]:.6g} x {gsd[1]:.6g} m"
    return "unknown" if size is None else f"{size[0]:.6g} x {size[1]:.6g} map units"


def _text(seen: dict[str, Any]) -> str:
    bounds = seen["bounds"]
    hints = [name for name in ("palette", "mask") if seen[name]]
    instead = ["RPCs"] if seen["rpcs"] else []
    if seen["geolocation_arrays"]:
        instead.append("arrays of longitudes and latitudes, which aren't followed")
    rows = [
        ("file", seen["name"]),
        ("size", f"{seen['width']} x {seen['height']} pixels"),
        ("crs", seen["crs"] or "none"),
        ("georeference", ", ".join([seen["georeference"], *instead])),
        ("bounds", "unknown" if bounds is None else ", ".join(f"{v:.10g}" for v in bounds)),
        ("pixel size", _size_text(seen)),
        ("bands", f"{len(seen['bands'])}{' with ' + ' and '.join(hints) if hints else ''}"),
    ]
    for band in seen["bands"]:
        nodata = "" if band["nodata"] is None else f", nodata {band['nodata']}"
        name = f", {band['name']}" if band["name"] else ""
        rows.append((f"  band {band['band']}", f"{band['dtype']}, {band['colour']}{nodata}{name}"))
    if seen["modality"] is not None:
        bands = ", ".join(map(str, seen["looks_at_bands"]))
        rows.append(("seen as", f"{seen['modality']}, by band {bands} ({seen['evidence']})"))
    return "\n".join(f"{name:<13} {value}" for name, value in rows)

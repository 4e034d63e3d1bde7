"""What a report says about an orthoimage, as plain JSON; and what people must know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from georeg.errors import SettingsError
from georeg.ortho import accuracy
from georeg.ortho.bias import BiasFit, describe
from georeg.ortho.dem import describe as describe_dem
from georeg.ortho.gcps import Gcps
from georeg.ortho.ground import Ground, Terrain
from georeg.ortho.refine import Refined
from georeg.ortho.rpcfiles import Source
from georeg.ortho.sensor import Sensor
from georeg.provenance import versions
from georeg.raster import Raster
from georeg.settings import OrthoSettings, Settings
from georeg.textfile import is_page
from georeg.verdict import Verdict

FORMAT = "georeg-ortho-report"
VERSION = 1
_COVERED = 0.995  # share of the image with ground under it below which that is said
_LITTLE = 0.001  # share of filled voids above which they are said
_MUCH = 0.02  # share of stretched ground above which it is said
_BEYOND = 1.1  # of the heights' range for which RPCs are made


def check_reports(paths: Sequence[str]) -> None:
    """Look at names of reports.

    Raises:
        SettingsError: one asks for a page.
    """
    for path in paths:
        if is_page(path):
            raise SettingsError(f"--report {path}: reports of orthoimages are JSON, name it .json")


def facts(
    raster: Raster,
    source: Source,
    ground: Ground,
    ortho: OrthoSettings,
    settings: Settings,
    covered: float,
) -> dict[str, Any]:
    """What is known without any matching."""
    warnings = []
    if isinstance(ground, Terrain):
        about: dict[str, Any] = describe_dem(ground.dem)
        if ground.dem.vertical.assumed:
            warnings.append(
                f"{ground.dem.raster.name} doesn't say what its heights are counted from: taken as "
                "the ellipsoid, as GDAL does; most DEMs have heights above a geoid, up to 100 m "
                "away (--dem-datum egm96, egm2008)"
            )
    else:
        about = {"height_m": ground.typical}
        warnings.append(
            f"no DEM: all ground is taken to lie {ground.typical:g} m above the ellipsoid, relief "
            "stays in the orthoimage"
        )
    if covered < _COVERED:
        warnings.append(
            f"the DEM covers about {covered:.0%} of the image; the rest of it is masked"
        )
    return {
        "format": FORMAT,
        "version": VERSION,
        "moving": raster.name,
        "ground": about,
        "rpc": {
            "from": source.origin,
            "crop": list(source.crop),
            "err_bias_m": source.rpc.err_bias,
            "err_rand_m": source.rpc.err_rand,
        },
        "settings": settings.to_dict(),
        "ortho": ortho.to_dict(),
        "seed": settings.seed,
        "versions": versions(),
        "warnings": warnings,
    }


def measured(
    verdict: Verdict | None,
    fit: BiasFit | None,
    refined: Refined | None,
    gcps: Gcps | None,
    role: str,
    sensor: Sensor,
    shape: tuple[int, int],
    found: dict[str, Any],
) -> dict[str, Any]:
    """What the refinement is worth.

    Args:
        verdict: on it, if there was one.
        fit: the bias, if there is one.
        refined: how it was found, if by a reference.
        gcps: of the file.
        role: of the GCPs: check or use.
        sensor: with the bias.
        shape: (rows, columns) of the image.
        found: what is known of the scene; goes into the report.
    """
    report: dict[str, Any] = {**found, "verdict": None if verdict is None else verdict.to_dict()}
    warnings = [*found.get("warnings", ()), *(verdict.warnings if verdict else ())]
    figures: dict[str, Any] = {}
    if fit is not None:
        report["transform"] = f"rpc + {fit.bias.name}"
        report["bias"] = {
            **describe(fit.bias, shape),
            "noise_px": fit.noise,
            "ladder": [
                {"bias": r.name, "left_out_rmse_px": r.error, "note": r.note} for r in fit.ladder
            ],
        }
    if refined is not None:
        n = len(refined.ties)
        report["bias"]["rounds_moved_px"] = list(refined.moves)
        figures["tie_points"] = {
            "count": n,
            "inliers": int(refined.fit.inlier[:n].sum()),
            "templates": refined.ties.templates,
            **accuracy.at_ties(refined),
        }
        use = refined.fit.inlier[:n]
        report["by_height"] = accuracy.by_height(
            refined.ties.height[use], refined.fit.residuals[:n][use]
        )
        slope = report["by_height"]["slope"]
        if slope is not None and slope["clear"]:
            warnings.append(
                f"errors grow with height, by {slope['samp_px_per_100m']:.2f} samples and "
                f"{slope['line_px_per_100m']:.2f} lines per 100 m: the DEM, its datum or the "
                "RPCs are not quite right"
            )
    if gcps is not None:
        figures["gcps"] = accuracy.at_gcps(gcps, role, sensor, fit)
    report["accuracy"] = figures
    report["warnings"] = warnings
    return report


def relief_warnings(seen: dict[str, Any], ortho: OrthoSettings, sensor: Sensor) -> list[str]:
    """What the relief means for the orthoimage, for people."""
    warnings = []
    if seen["filled"] > _LITTLE:
        warnings.append(
            f"{seen['filled']:.1%} of the ground are voids of the DEM, filled from around them "
            "(--dem-voids mask leaves them out)"
        )
    elif ortho.dem is not None and ortho.dem_voids == "mask" and seen["ground"] < _COVERED:
        warnings.append(f"{1 - seen['ground']:.1%} of the image lie over voids of the DEM: masked")
    if seen["stretched"] > _MUCH:
        done = "masked" if ortho.max_stretch is not None else "not masked without --max-stretch"
        warnings.append(
            f"relief stretches {seen['stretched']:.1%} of the image more than "
            f"{seen['stretched_means_more_than']:g} times ({done}); what it hides shows twice"
        )
    if seen["heights_m"] is not None:
        low, high = seen["heights_m"]
        rpc = sensor.rpc
        if max(abs(h - rpc.height_off) for h in (low, high)) > _BEYOND * rpc.height_scale:
            warnings.append(
                f"the ground is {low:.0f} to {high:.0f} m high, the RPCs are made for "
                f"{rpc.height_off - rpc.height_scale:.0f} to "
                f"{rpc.height_off + rpc.height_scale:.0f} m: is the vertical datum right?"
            )
    return warnings


def tags(report: dict[str, Any]) -> dict[str, Any]:
    """What `provenance.raster_tags` takes."""
    keys = ("moving", "reference", "transform", "matcher", "seed", "verdict")
    found = {key: report.get(key) for key in keys}
    return {**found, "transform": found["transform"] or "rpc", "verdict": found["verdict"] or {}}

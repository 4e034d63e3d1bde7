"""What an alignment would look at, without matching anything: for `--dry-run`."""

from __future__ import annotations

from typing import Any

import numpy as np

from georeg import matching
from georeg.choosing import choose
from georeg.crs import crs_name
from georeg.matching.protocol import Matcher
from georeg.pairing.placing import SensorPlace
from georeg.pairing.scene import Scene, open_scene
from georeg.search.levels import coarse_factors, plan_level
from georeg.search.locating import from_matrix, survey
from georeg.settings import USUAL_TILES, Settings
from georeg.warping import gdal_env


def plan_alignment(
    moving: str,
    reference: str,
    settings: Settings | None = None,
    sensor: SensorPlace | None = None,
) -> dict[str, Any]:
    """Levels and tiles, placed by the georeference alone (the true ones follow the estimate).

    Of the pixels only one decimated view of either raster is read.

    Args:
        moving: the raster to be aligned.
        reference: the raster that it would be aligned to.
        settings: how.
        sensor: places the moving raster instead of its header, see `SensorPlace`.

    Returns:
        Plain JSON. Windows are [x, y, width, height]: that of a tile in pixels of its level,
        those under it in pixels of the moving raster and of the reference.

    Raises:
        InputError: a raster can't be used, or the two don't meet.
        SettingsError: a setting makes no sense or doesn't suit the rasters.
    """
    settings = settings or Settings()
    with gdal_env(settings.threads), open_scene(moving, reference, settings, sensor) as scene:
        modalities = (scene.moving_look.modality, scene.reference_look.modality)
        choice = choose(settings.matcher, settings.weights, False, modalities)
        matcher = matching.kind(choice.name)
        levels = _levels(scene, matcher, settings)
        frame = scene.frame
        return {
            "moving": _side(scene.moving.name, scene.moving.header.shape, scene.moving_look),
            "reference": _side(
                scene.reference.name, scene.reference.header.shape, scene.reference_look
            ),
            "matcher": choice.name,
            "frame": {
                "crs": crs_name(frame.grid.crs),
                "transform": list(frame.grid.transform)[:6],
                "shape": list(frame.grid.shape),
                "metres_per_pixel": frame.metres,
                "reference_pixels_per_pixel": frame.reference_pixels,
            },
            "max_shift_px": scene.max_shift * frame.reference_pixels,
            "max_shift_m": None if frame.metres is None else scene.max_shift * frame.metres,
            "warnings": list(scene.warnings),
            "tiles": sum(len(level["tiles"]) for level in levels),
            "levels": levels,
        }


def _levels(scene: Scene, matcher: Matcher, settings: Settings) -> list[dict[str, Any]]:
    """The passes of `tracking.track`: coarse ones that only predict, then the exact one.

    Where the fit bends, the same tiles are looked at in smaller templates instead, or once more,
    and where it bends between them, more of them are.
    """
    start = survey(scene, from_matrix(np.eye(3)), 0.0)
    passes = [(factor, "track") for factor in coarse_factors(scene.frame.grid.shape)]
    passes.append((1.0, "refine"))
    tiles = settings.max_tiles or USUAL_TILES
    levels = []
    for factor, goal in passes:
        pairs = plan_level(scene, matcher, start, start.transform, factor, tiles)
        windows = [pair.to_dict() for pair in pairs]
        levels.append({"factor": factor, "goal": goal, "tiles": windows})
    return levels


def _side(name: str, shape: tuple[int, int], look: Any) -> dict[str, Any]:
    return {
        "name": name,
        "shape": list(shape),
        "bands": list(look.bands),
        "modality": look.modality,
    }

"""What a refinement would look at, without matching anything: for `--dry-run`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyproj import CRS

from georeg.ortho.dem import describe
from georeg.ortho.ground import Terrain
from georeg.ortho.outputs import check_covered, default_crs, open_ground
from georeg.ortho.rpcfiles import need_rpc
from georeg.ortho.sensor import Sensor
from georeg.ortho.vertical import WGS84
from georeg.planning import plan_alignment
from georeg.raster import Raster
from georeg.settings import OrthoSettings, Settings
from georeg.warping import gdal_env


def plan_ortho(
    moving: str, reference: str | None, ortho: OrthoSettings, settings: Settings | None = None
) -> dict[str, Any]:
    """Where the image lies by its RPCs, and the tiles that would be matched.

    Args:
        moving: the image.
        reference: what its RPCs would be refined by, if anything.
        ortho: ground and RPCs.
        settings: how to match.

    Returns:
        Plain JSON.

    Raises:
        InputError, SettingsError: as `orthorectify`.
    """
    settings = settings or Settings()
    with (
        gdal_env(settings.threads),
        Raster(moving, nodata=settings.moving_nodata) as raster,
        open_ground(ortho, settings.memory) as ground,
    ):
        source = need_rpc(raster, ortho.rpc)
        sensor = Sensor(source.rpc, ground, WGS84)
        sensor = sensor.on(default_crs(sensor))
        about: Any = {"height_m": ground.typical}
        if isinstance(ground, Terrain):
            about = describe(ground.dem)
        plan = {
            "moving": {"name": raster.name, "shape": list(raster.header.shape)},
            "rpc": {"from": source.origin, "crop": list(source.crop)},
            "ground": about,
            "covered": check_covered(raster, sensor),
        }
        if reference is None:
            return plan

        def place(_: Raster, crs: CRS) -> Sensor:
            return replace(sensor.on(crs), beyond=ground.typical)

        return {**plan, **plan_alignment(moving, reference, settings, place)}

"""What DEM heights are counted from: never a silent zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyproj import CRS

from geoid_cases import make_geoid, undulation
from georeg.errors import InputError, SettingsError
from georeg.ortho import vertical
from georeg.ortho.dem import open_dem
from georeg.ortho.vertical import WGS84, Vertical, find_grid, vertical_of
from ortho_cases import EAST, NORTH, UTM, hills, make_dem

PLACE = np.array([[EAST, NORTH], [EAST + 500, NORTH - 300]])
DEGREES = np.array([[15.0, 48.0], [15.3, 47.8]])


def of(
    crs: CRS, datum: str = "auto", geoid: str | None = None, unit: str | None = None
) -> Vertical:
    around = PLACE if crs.to_2d().is_projected else DEGREES
    return vertical_of(datum, geoid, crs, unit, "dem.tif", around)


@pytest.fixture
def no_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vertical, "_searched", lambda: ["/nowhere"])


@pytest.mark.parametrize("suffix", [".gtx", ".tif"])
@pytest.mark.parametrize("crs", [WGS84, UTM])
def test_the_users_own_grid(tmp_path: Path, suffix: str, crs: CRS) -> None:
    grid = make_geoid(tmp_path / f"my geoid{suffix}")
    found = of(crs, geoid=grid)
    xy = PLACE if crs == UTM else DEGREES
    lon, lat = found.path.forward(xy).T
    assert np.abs(found.separation(xy) - undulation(lon, lat)).max() < 1e-4
    assert not found.assumed
    assert "my geoid" in found.note


def test_a_grid_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name was looked for among PROJ's own grids only: 'can't be read'."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("geoid.gtx", "my geoid.tif", "sub/geoid.gtx", 'a "b" c\'s.gtx'):
        make_geoid(tmp_path / name)
        assert of(WGS84, geoid=name).separation(DEGREES)[0] == pytest.approx(45, abs=1e-3)
    for name in ("a,b.gtx", "a;b.gtx", "a#b.gtx", "a\tb.gtx"):
        make_geoid(tmp_path / name)
        with pytest.raises(InputError, match="PROJ takes a comma"):
            of(WGS84, geoid=name)


def test_beyond_the_grid_is_an_error_that_says_where(tmp_path: Path) -> None:
    found = of(WGS84, geoid=make_geoid(tmp_path / "g.gtx"))
    with pytest.raises(InputError, match=r"longitude 20\.000, latitude 48\.000.*--geoid"):
        found.separation(np.array([[15.0, 48.0], [20.0, 48.0]]))


@pytest.mark.parametrize("datum", ["egm96", "egm2008"])
def test_a_missing_grid_is_named(no_grids: None, datum: str) -> None:
    name = {"egm96": "us_nga_egm96_15.tif", "egm2008": "us_nga_egm08_25.tif"}[datum]
    with pytest.raises(InputError, match=f"{name}.*--geoid"):
        of(UTM, datum)


@pytest.mark.parametrize(("code", "datum"), [(5773, "egm96"), (3855, "egm2008")])
def test_compound_crs_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, datum: str
) -> None:
    crs = CRS(f"EPSG:32633+{code}")
    monkeypatch.setattr(vertical, "_searched", lambda: [str(tmp_path)])
    with pytest.raises(InputError, match=f"above {datum.upper()}.*the CRS of dem.tif"):
        of(crs)
    make_geoid(tmp_path / {"egm96": "egm96_15.gtx", "egm2008": "us_nga_egm08_25.tif"}[datum])
    found = of(crs)
    assert found.name == datum
    assert found.separation(PLACE)[0] == pytest.approx(45, abs=1e-3)
    assert of(CRS(f"EPSG:4326+{code}")).separation(DEGREES)[0] == pytest.approx(45, abs=1e-3)


def test_other_vertical_crs_need_what_proj_says() -> None:
    with pytest.raises(InputError, match=r"NAVD88.*(geoid|g20|\.tif)"):
        of(CRS("EPSG:32633+5703"))


def test_a_crs_that_names_its_grid(tmp_path: Path) -> None:
    grid = make_geoid(tmp_path / "own.gtx")
    crs = CRS(f"+proj=utm +zone=33 +datum=WGS84 +geoidgrids={grid} +vunits=m +type=crs")
    found = of(crs)
    assert found.separation(PLACE)[0] == pytest.approx(45, abs=1e-3)
    assert found.factor == pytest.approx(1)


def test_feet(no_grids: None) -> None:
    assert of(UTM, unit="ft").factor == pytest.approx(0.3048)
    assert of(UTM, unit="US survey foot").factor == pytest.approx(1200 / 3937)
    assert of(UTM, unit="metre").factor == 1
    assert of(CRS("EPSG:32633+6360"), "ellipsoid").factor == pytest.approx(1200 / 3937)


def test_units_as_people_write_them(no_grids: None, caplog: pytest.LogCaptureFixture) -> None:
    foot = 1200 / 3937
    for unit, factor in (("US_Feet", foot), ("us-ft", foot), (" Foot_US ", foot),
                         ("Feet", 0.3048), ("Meters", 1.0), ("", 1.0)):  # fmt: skip
        assert of(UTM, unit=unit).factor == pytest.approx(factor, rel=1e-12)
    assert "isn't known" not in caplog.text
    assert of(UTM, unit="furlong").factor == 1
    assert "heights in 'furlong', a unit that isn't known: taken as metres" in caplog.text


def test_what_says_nothing_is_assumed_and_said() -> None:
    assert of(UTM).assumed
    assert of(UTM).name == "ellipsoid"
    assert (of(UTM).separation(PLACE) == 0).all()
    three = of(CRS("EPSG:4979"))
    assert (three.assumed, three.name) == (False, "ellipsoid")


def test_contradictions(tmp_path: Path) -> None:
    grid = make_geoid(tmp_path / "g.tif")
    with pytest.raises(SettingsError, match="--geoid"):
        of(UTM, "ellipsoid", grid)
    with pytest.raises(InputError, match="no such file"):
        of(UTM, geoid=str(tmp_path / "none.gtx"))
    (tmp_path / "bad.gtx").write_text("hello")
    with pytest.raises(InputError, match="can't be read"):
        of(UTM, geoid=str(tmp_path / "bad.gtx"))


def test_proj_has_egm96() -> None:
    """Debian's proj-data brings it along with GDAL."""
    if find_grid("egm96") is None:
        pytest.skip("PROJ's grid of EGM96 isn't installed")
    # NGA's own program says 50.67 for the Mont Ventoux's surroundings, 2.2 for La Reunion.
    found = of(WGS84, "egm96")
    assert found.separation(np.array([[5.3, 44.1]]))[0] == pytest.approx(50.7, abs=0.1)


def test_the_dem_files_own_compound_crs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL hides it in GeoTIFF 1.0 files unless it is asked."""
    monkeypatch.setattr(vertical, "_searched", lambda: [str(tmp_path)])
    make_geoid(tmp_path / "egm96_15.gtx")
    crs = CRS("EPSG:32633+5773").to_wkt()
    for version in ("1.0", "1.1"):
        dem = make_dem(tmp_path / "dem.tif", above=45.0, crs=crs, GEOTIFF_VERSION=version)
        with open_dem(dem, "auto", None, "fill") as opened:
            assert opened.vertical.name == "egm96"
            height = opened.heights(np.array([[EAST, NORTH]])).height[0]
        assert height == pytest.approx(hills(np.zeros(1), np.zeros(1))[0], abs=0.3)

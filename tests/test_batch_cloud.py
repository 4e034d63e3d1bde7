"""Rasters in S3 (a local server), Items out, and a STAC API in."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import batch_cases as cases
import scenes
from cli_cases import run
from georeg import OutputSettings, Settings, align
from georeg.batch.manifests.stac import Query, search
from georeg.errors import InputError


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    return scenes.make_pair(
        tmp_path_factory.mktemp("pair"), scenes.shift(3.3, -2.1), cases.SHAPE, seed=5
    )


@pytest.fixture(scope="module")
def bucket(pair: scenes.Pair) -> Iterator[tuple[Any, dict[str, str]]]:
    """A client of a local S3 server with the pair in it, and the environment for GDAL."""
    server_module = pytest.importorskip("moto.server", reason="moto isn't installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 isn't installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys
    )
    client.create_bucket(Bucket="bucket")
    client.upload_file(pair.moving, "bucket", "in/moving.tif")
    client.upload_file(pair.reference, "bucket", "in/reference.tif")
    env = {
        **os.environ, "AWS_S3_ENDPOINT": f"{host}:{port}", "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE", "AWS_REGION": "us-east-1",
        **{name.upper(): value for name, value in keys.items()},
    }  # fmt: skip
    yield client, env
    server.stop()


@pytest.mark.parametrize("prefix", ["/vsis3/bucket", "s3://bucket"])
def test_s3_in_and_out(
    bucket: tuple[Any, dict[str, str]], pair: scenes.Pair, tmp_path: Path, prefix: str
) -> None:
    client, env = bucket
    state, name = tmp_path / "state", prefix.strip("/").replace(":", "").replace("/", "_")
    command = cases.command(
        Path("jobs.csv"), Path("out"), "--state", state, "--stac", "--driver", "GTiff"
    )
    command[4], command[6] = f"{prefix}/in/moving.tif", f"{prefix}/{name}"
    command += ["--reference", f"{prefix}/in/reference.tif"]
    for done in ("1 of 1 jobs done:", "1 of 1 jobs done (1 before)"):
        result = subprocess.run(command, env=env, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert done in result.stderr
    keys = [o["Key"] for o in client.list_objects_v2(Bucket="bucket", Prefix=name)["Contents"]]
    assert keys == [f"{name}/moving.tif"]
    client.download_file("bucket", keys[0], str(tmp_path / "got.tif"))
    local = align(
        pair.moving, pair.reference, str(tmp_path / "local.tif"),
        Settings(transform="shift", threads=1, max_shift=cases.FAR),
        OutputSettings(driver="GTiff"),
    )  # fmt: skip
    assert local.verdict.ok
    with (
        rasterio.open(tmp_path / "got.tif") as one,
        rasterio.open(tmp_path / "local.tif") as other,
    ):
        np.testing.assert_array_equal(one.read(), other.read())
        assert one.transform == other.transform
    (record,) = cases.records(state).values()
    assert record["inputs"][f"{prefix}/in/moving.tif"]["shape"] == list(cases.SHAPE)
    item = json.loads((state / "moving.item.json").read_text())
    assert item["assets"]["data"]["href"] == f"{prefix}/{name}/moving.tif"
    # Another picture under the same name is another input.
    client.upload_file(pair.reference, "bucket", "in/moving.tif")
    plan = subprocess.run([*command, "--dry-run"], env=env, capture_output=True, text=True)
    client.upload_file(pair.moving, "bucket", "in/moving.tif")
    assert json.loads(plan.stdout)["why"].endswith("moving.tif changed")


def test_no_such_bucket(bucket: tuple[Any, dict[str, str]], tmp_path: Path) -> None:
    """Recorded in one line, as any other failure."""
    _, env = bucket
    command = cases.command(Path("/vsis3/nowhere/a.tif"), tmp_path / "out")
    command += ["--reference", "/vsis3/nowhere/b.tif"]
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 5
    (record,) = cases.records(tmp_path / "out").values()
    assert record["error"]["kind"] == "InputError"
    assert "/vsis3/nowhere/a.tif" in record["error"]["message"]


def test_items_out(pair: scenes.Pair, tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac", reason="pystac isn't installed")
    from pystac.extensions.file import FileExtension
    from pystac.extensions.projection import ProjectionExtension

    source = {
        "type": "Feature", "stac_version": "1.0.0", "id": "scene", "geometry": None,
        "properties": {"datetime": "2024-05-01T10:00:00Z"},
        "links": [{"rel": "self", "href": "https://example.org/scene.json"}],
        "assets": {"data": {"href": pair.moving, "type": "image/tiff; application=geotiff"}},
    }  # fmt: skip
    (tmp_path / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": [source]})
    )
    result = cases.batch_here(tmp_path / "items.json", tmp_path / "out",
                              "--reference", pair.reference, "--stac")  # fmt: skip
    assert result.code == 0, result.err
    item = pystac.Item.from_file(str(tmp_path / "out" / "scene.item.json"))
    assert item.datetime is not None
    assert item.datetime.year == 2024
    with rasterio.open(tmp_path / "out" / "scene.tif") as file:
        place = ProjectionExtension.ext(item)
        assert place.shape == list(file.shape)
        assert place.transform == list(file.transform)[:6]
        assert item.properties["proj:code"] == scenes.CRS
    asset = FileExtension.ext(item.assets["data"])
    assert asset.size == (tmp_path / "out" / "scene.tif").stat().st_size
    assert item.get_assets()["data"].get_absolute_href() == str(tmp_path / "out" / "scene.tif")
    assert item.properties["accuracy:geometric_rmse"] < 0.3
    assert item.properties["processing:software"].keys() == {"georeg"}
    origins = [link.href for link in item.links if link.rel == "derived_from"]
    assert origins == ["https://example.org/scene.json", pair.reference]
    west, south, east, north = item.bbox
    assert 12.9 < west < east < 13.1
    assert 47.3 < south < north < 47.5
    assert item.geometry["type"] == "Polygon"


def test_times_of_items(pair: scenes.Pair, tmp_path: Path) -> None:
    """STAC wants RFC 3339; manifests have what people write, or nothing, of subdatasets, too."""
    subdataset = f"GTIFF_DIR:1:{pair.moving}"
    rows = [
        ("a", pair.moving, "2024-06-01"),
        ("b", pair.moving, "2024-06-01 10:11"),
        ("c", pair.moving, "2024-06-01T12:00:00.250+02:00"),
        ("d", pair.moving, "last summer"),
        ("e", subdataset, ""),
    ]
    path = tmp_path / "jobs.csv"
    path.write_text("id,moving,datetime\n" + "".join(f"{','.join(row)}\n" for row in rows))
    result = cases.batch_here(path, tmp_path / "out", "--reference", pair.reference, "--stac")
    assert result.code == 0, result.err
    found = [
        json.loads((tmp_path / "out" / f"{name}.item.json").read_text())["properties"]
        for name, _, _ in rows
    ]
    times = [properties["datetime"] for properties in found]
    assert times[:2] == ["2024-06-01T00:00:00Z", "2024-06-01T10:11:00Z"]
    assert times[2] == "2024-06-01T10:00:00.250000Z"
    age = datetime.fromtimestamp(int(os.path.getmtime(pair.moving)), timezone.utc)
    assert times[3:] == [f"{age:%Y-%m-%dT%H:%M:%S}Z", "1970-01-01T00:00:00Z"]
    said = [properties.get("georeg:datetime_of") for properties in found]
    assert said == [None, None, None, "the moving raster's file", "unknown"]


class _Api(BaseHTTPRequestHandler):
    """As much of a STAC API as a search needs; remembers what it was asked."""

    asked: list[dict[str, Any]]
    items: list[dict[str, Any]]

    def do_GET(self) -> None:
        home = f"http://{self.headers['Host']}/"
        search = {"rel": "search", "href": f"{home}search", "type": "application/geo+json",
                  "method": "POST"}  # fmt: skip
        self._answer({
            "type": "Catalog", "id": "api", "stac_version": "1.0.0", "description": "x",
            "conformsTo": ["https://api.stacspec.org/v1.0.0/core",
                           "https://api.stacspec.org/v1.0.0/item-search"],
            "links": [{"rel": "self", "href": home}, {"rel": "root", "href": home}, search],
        })  # fmt: skip

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(json.loads(body))
        self._answer({"type": "FeatureCollection", "features": self.items, "links": []})

    def _answer(self, data: dict[str, Any]) -> None:
        text = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api(pair: scenes.Pair) -> Iterator[tuple[str, type[_Api]]]:
    pytest.importorskip("pystac_client", reason="pystac-client isn't installed")
    items = [
        {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None,
            "properties": {"datetime": f"{year}-05-01T10:00:00Z"}, "links": [],
            "assets": {"data": {"href": pair.moving, "type": "image/tiff"}},
        }
        for name, year in (("late", 2024), ("early", 2020))
    ]  # fmt: skip
    handler = type("Handler", (_Api,), {"asked": [], "items": items})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", handler
    server.shutdown()
    server.server_close()


def test_a_stac_api(api: tuple[str, type[_Api]], pair: scenes.Pair, tmp_path: Path) -> None:
    url, handler = api
    result = run(
        "batch", url, "-o", tmp_path / "out", "--reference", pair.reference, "--dry-run",
        "--collections", "s2", "--bbox", "12,47,14,48", "--datetime", "2020-01-01/2024-12-31",
    )  # fmt: skip
    assert result.code == 0, result.err
    jobs = [json.loads(line) for line in result.out.splitlines()]
    assert [job["id"] for job in jobs] == ["early", "late"]
    assert jobs[0]["moving"] == pair.moving
    (asked,) = handler.asked
    assert asked["collections"] == ["s2"]
    assert asked["bbox"] == [12, 47, 14, 48]
    assert asked["datetime"].startswith("2020-01-01")
    handler.items = []
    with pytest.raises(InputError, match="no Items"):
        search(url, Query(("s2",)))


def test_no_api() -> None:
    pytest.importorskip("pystac_client", reason="pystac-client isn't installed")
    with pytest.raises(InputError, match="can't be asked"):
        search("http://127.0.0.1:9/", Query(("s2",)))

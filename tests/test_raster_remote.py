"""Rasters behind a web server: the right pixels or an error, whatever the server does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from georeg.errors import InputError
from georeg.raster import Raster
from georeg.warping import gdal_env
from rasters import ramp, write

# A process of its own: GDAL keeps Python's lock while it waits for an answer.
SERVER = """
import re, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

data = open(sys.argv[1], "rb").read()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_message = lambda *_: None

    def do_HEAD(self):
        self.do_GET(False)

    def do_GET(self, body=True):
        first, last, code = 0, len(data) - 1, 200
        found = re.match(r"bytes=(\\d+)-(\\d*)", self.headers.get("Range") or "")
        if not self.path.startswith("/a."):
            code, last = 404, -1
        elif found and "breaks" in sys.argv and int(found[2] or 0) > 40_000:
            code, last = 500, -1
        elif found and "whole" not in sys.argv:
            first, last, code = int(found[1]), min(int(found[2] or last), last), 206
        part = data[first : last + 1]
        self.send_response(code)
        self.send_header("Content-Length", str(len(part)))
        if code == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if body:
            self.wfile.write(part)

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A GeoTIFF without compression, and its address at a server that does what `param` says."""
    place = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    path = write(tmp_path / "a.tif", ramp((300, 300)) + 1, transform=place, crs="EPSG:32633")
    running = subprocess.Popen(
        [sys.executable, "-c", SERVER, path, request.param], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    try:
        yield path, f"http://127.0.0.1:{int(running.stdout.readline())}/a.tif"
    finally:
        running.kill()
        running.wait()


def content(name: str) -> np.ndarray:
    """All pixels, decoded in two threads where GDAL likes."""
    with gdal_env(2), Raster(name) as raster:
        window = raster.header.grid.window  # type: ignore[union-attr]
        return np.asarray(raster.read(window).data)


@pytest.mark.parametrize("served", ["parts", "whole"], indirect=True)
@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_right_pixels(served: tuple[str, str], prefix: str) -> None:
    """Also from servers that know no ranges: GDAL's threads made zeros of that without a word."""
    path, address = served
    np.testing.assert_array_equal(content(prefix + address), content(path))


@pytest.mark.parametrize("served", ["breaks"], indirect=True)
def test_a_server_that_breaks_down(served: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=r"a\.tif can't be"):
        content(f"/vsicurl/{served[1]}")

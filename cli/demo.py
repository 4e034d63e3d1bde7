"""`georeg demo`: align the sample pair, and compare with the truth.

The sample is moving.tif, reference.tif and truth.json, with {"moving_xy": [[x, y], ...],
"reference_xy": [[x, y], ...]}: the same places in pixels of either raster, GDAL's convention.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georeg.errors import InputError, OutputError, SettingsError

from .align import judged
from .command import Command, Session
from .console import RESULT, say
from .options import RESOURCES, TALK, options, settings_of
from .repeating import command_line

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from georeg.fitfile import FitFile

_FILES = ("moving.tif", "reference.tif", "truth.json")


@click.command("demo", cls=Command)
@click.option(
    "--output-dir", "-o", metavar="FOLDER", help="Where to work.  [default: a temporary folder]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@options("matcher", "transform", "overwrite", *RESOURCES, *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Align georeg's sample pair, and print the measured error.

    The files stay in the folder for a look at them: report.html in a browser, the rest in QGIS.
    """
    settings = settings_of(params)
    folder = _copy(params["output_dir"], overwrite=params["overwrite"])
    from georeg import OutputSettings
    from georeg import align as engine

    moving, reference, truth = (os.path.join(folder, name) for name in _FILES)
    output, report, page = (
        os.path.join(folder, name) for name in ("aligned.tif", "report.json", "report.html")
    )
    result = engine(
        moving,
        reference,
        output,
        settings,
        OutputSettings(overwrite=params["overwrite"]),
        fit_path=os.path.join(folder, "fit.json"),
        report_path=(report, page),
        progress=session.tell,
        command=command_line(click.get_current_context()),
    )
    judged(session, result, f"nothing was written but the report {report}", settings)
    if result.fit is None:
        return
    numbers = {"folder": folder, **errors(result.fit, moving, truth)}
    say(json.dumps(numbers) if params["as_json"] else _text(numbers))
    session.console.event(RESULT, "result", result.verdict.sentence(), **numbers)


def sample() -> Traversable:
    """Where the sample is: in the installed package, or in the repository.

    Raises:
        InputError: it isn't there.
    """
    places: list[Traversable] = [Path(os.path.realpath(__file__)).parents[1] / "sample_data"]
    with suppress(ModuleNotFoundError):
        places.insert(0, resources.files(f"{__package__}._sample"))
    for place in places:
        if all((place / name).is_file() for name in _FILES):
            return place
    raise InputError(
        "the sample pair isn't installed: reinstall georeg, or run from its repository"
    )


def _copy(folder: str | None, *, overwrite: bool) -> str:
    """The sample's files in a folder that may be written to.

    Raises:
        InputError: there is no sample.
        SettingsError: files of these names are there already, and are others.
        OutputError: it can't be copied.
    """
    source = sample()
    try:
        if folder is None:
            folder = tempfile.mkdtemp(prefix="georeg-demo-")
        os.makedirs(folder, exist_ok=True)
        paths = {name: Path(folder, name) for name in _FILES}
        for name, path in paths.items():
            mine = not os.path.lexists(path) or path.read_bytes() == (source / name).read_bytes()
            if not (mine or overwrite):
                raise SettingsError(f"{path} exists: give another folder, or --overwrite")
        for name, path in paths.items():
            with (source / name).open("rb") as old, open(path, "wb") as new:
                shutil.copyfileobj(old, new)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror}") from None
    return folder


def errors(fit: FitFile, moving: str, truth: str) -> dict[str, Any]:
    """Distances from the truth in reference pixels, before and after the alignment.

    Raises:
        InputError: a file can't be read, or the reference has no pixel grid.
    """
    from dataclasses import replace

    import numpy as np

    from georeg import transforms
    from georeg.raster import Raster
    from georeg.textfile import read_json

    data = read_json(truth, "the truth of a sample")
    here, there = np.array(data["moving_xy"], float), np.array(data["reference_xy"], float)
    if fit.reference is None:
        raise InputError("the sample's reference has no pixel grid")
    nothing = transforms.from_dict({"name": "shift", "matrix": np.eye(3).tolist()})
    found: dict[str, Any] = {"points": len(here)}
    with Raster(moving) as raster:
        for name, this in (("before", replace(fit, transform=nothing)), ("after", fit)):
            on_map = this.corrected(raster.header, moving, here, fit.reference.crs)
            distance = np.hypot(*(fit.reference.to_pixel(on_map) - there).T)
            found[name] = {
                "rmse_px": float(np.sqrt((distance**2).mean())),
                "median_px": float(np.median(distance)),
                "max_px": float(distance.max()),
            }
    return found


def _text(numbers: Mapping[str, Any]) -> str:
    lines = [f"measured against the truth at {numbers['points']} points, in reference pixels:"]
    for name in ("before", "after"):
        error = numbers[name]
        lines.append(
            f"  {name:<7} {error['rmse_px']:7.2f} RMSE, {error['median_px']:.2f} median, "
            f"{error['max_px']:.2f} at most"
        )
    return "\n".join([*lines, f"files are in {numbers['folder']}: look at report.html"])

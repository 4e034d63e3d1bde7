"""The plots of a report as files: SVG as they are, or PNG by resvg, one drawing for both.

resvg and a font are optional (`pip install 'georeg[plot]'`): the page and SVG files need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from georeg.errors import SettingsError
from georeg.report import palette, plots
from georeg.report.facts import Facts

FORMATS = ("png", "svg")
_WIDTH = 1600  # pixels of a PNG, about


def drawn(facts: Facts, kind: str = "png", names: Sequence[str] = plots.NAMES) -> dict[str, bytes]:
    """The plots that there is something to draw for, by the name of the plot.

    Args:
        facts: what is shown.
        kind: png or svg.
        names: of the plots.

    Raises:
        SettingsError: no such format, or what it needs isn't installed.
    """
    if kind not in FORMATS:
        raise SettingsError(f"no plots in the format '{kind}': choose from {', '.join(FORMATS)}")
    found = {}
    for name in names:
        plot = plots.load(name)
        drawing = plot.draw(facts, palette.LIGHT, plots.embedded(facts))
        if drawing is None:
            continue
        whole = drawing.alone(plot.TITLE, palette.LIGHT)
        found[name] = whole.svg().encode() if kind == "svg" else _png(whole.svg(), whole.width)
    return found


def check_format(kind: str) -> None:
    """Find out early whether what a format needs is installed.

    Raises:
        SettingsError: it isn't.
    """
    if kind == "png":
        _resvg()


def _png(svg: str, width: float) -> bytes:
    render, fonts = _resvg()
    # The font comes with georeg[plot], so that a picture is the same everywhere.
    data = render(
        svg_string=svg,
        zoom=max(1.0, round(2 * _WIDTH / width) / 2),
        skip_system_fonts=True,
        font_files=fonts,
        font_family="Lato",
        sans_serif_family="Lato",
    )
    return bytes(data)


def _resvg() -> tuple[Any, list[str]]:
    try:
        import font_lato
        import resvg_py
    except ImportError as error:
        raise SettingsError(
            f"PNGs need {error.name}, which isn't installed: pip install 'georeg[plot]', or choose "
            "--format svg"
        ) from None
    names = ("Lato", "LatoBold")
    return resvg_py.svg_to_bytes, [font_lato.font_files[name] for name in names]

"""How QGIS shows the layers of a GeoPackage: rows of its `layer_styles` table, made of QML.

Colours are those of M. Okabe and K. Ito, "Color universal design" (2008), and viridis, which people
with any colour vision can tell apart.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

# Colours as QML has them: red, green, blue, alpha.
_GREY, _BLACK, _WHITE = "136,136,136,255", "30,30,30,255", "255,255,255,255"
_VERMILLION, _BLUE, _GREEN = "213,94,0,255", "0,114,178,255", "0,158,115,255"
_NONE = "255,255,255,0"
_WORST = 2.0  # pixels: residuals from there on have the last colour
_ARROW = 8.0  # millimetres for a residual of one pixel
_RESIDUAL = (
    f"ramp_color('Viridis', 1 - scale_linear(coalesce(\"residual_px\", 0), 0, {_WORST}, 0, 1))"
)

_DISABLED = 'not "enabled"'
_OUTLIER = '"enabled" and not "inlier"'
_INLIER = '"enabled" and "inlier"'
# What every row has, whatever the layer; the time is no news.
_COMMON = {"f_table_catalog": "", "f_table_schema": "", "f_geometry_column": "geom", "styleSLD": "",
           "owner": "georeg", "ui": "", "update_time": "2000-01-01T00:00:00Z"}  # fmt: skip


def style_rows() -> dict[str, npt.NDArray[Any]]:
    """Columns of the table `layer_styles`, one row for every layer that has a style."""
    return _rows({
        "points": ("tie points by residual", _points()),
        "displacements": ("from claimed to true", _displacements()),
        "tiles": ("tiles that were matched", _tiles()),
        "footprints": ("what the rasters cover", _footprints()),
    })  # fmt: skip


def batch_style(layer: str) -> dict[str, npt.NDArray[Any]]:
    """The same for the footprints of a batch, whose attribute `status` says what came of them."""
    return _rows({layer: ("jobs by what came of them", _jobs())})


def _rows(styles: dict[str, tuple[str, str]]) -> dict[str, npt.NDArray[Any]]:
    count = len(styles)
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.array([value] * count, object) for name, value in _COMMON.items()
    }
    columns["f_table_name"] = np.array(list(styles), object)
    columns["styleName"] = np.array([f"georeg {name}" for name in styles], object)
    columns["styleQML"] = np.array([qml for _, qml in styles.values()], object)
    columns["description"] = np.array([about for about, _ in styles.values()], object)
    columns["useAsDefault"] = np.ones(count, np.bool_)
    return columns


def _jobs() -> str:
    names = (("done", _GREEN, "solid"), ("refused", _VERMILLION, "dash"),
             ("failed", _BLACK, "dot"), ("not run", _GREY, "dot"))  # fmt: skip
    return _rules(
        "fill", *((name, f"\"status\" = '{name}'", [_edge(c, style)]) for name, c, style in names)
    )


def _points() -> str:
    cross = _layer("SimpleMarker", name="cross2", color=_GREY, outline_color=_GREY, size=1.8)
    hollow = _layer(
        "SimpleMarker", name="circle", color=_NONE, outline_color=_VERMILLION, outline_width=0.5,
        size=2.4,
    )  # fmt: skip
    dot = _layer("SimpleMarker", name="circle", color=_GREY, outline_color=_WHITE,
                 outline_width=0.2, size=2.4)  # fmt: skip
    dot.append(_driven("fillColor", _RESIDUAL))
    arrow = _layer(
        "VectorField", vector_field_type=1, x_attribute="residual_px",
        y_attribute="residual_azimuth", angle_orientation=0, angle_units=0, scale=_ARROW,
        distance_unit="MM",
    )  # fmt: skip
    arrow.append(_symbol("@2@0", "line", *_arrow(_BLACK, 0.3)))
    return _rules(
        "marker",
        ("disabled", _DISABLED, [cross]),
        ("outlier", _OUTLIER, [hollow]),
        (
            f"inlier: colour is the residual, 0 to {_WORST:g} px; arrow, {_ARROW:g} mm for 1 px, "
            "is the fit's error",
            _INLIER,
            [dot, arrow],
        ),
    )


def _displacements() -> str:
    return _rules(
        "line",
        ("disabled", _DISABLED, _arrow(_GREY, 0.3)),
        ("outlier", _OUTLIER, _arrow(_VERMILLION, 0.3)),
        ("inlier, from claimed to true", _INLIER, _arrow(_BLUE, 0.4)),
    )


def _tiles() -> str:
    line = {"outline_width": 0.3, "color": _NONE}
    without = _layer("SimpleFill", style="no", outline_color=_GREY, outline_style="dot", **line)
    with_some = _layer("SimpleFill", style="no", outline_color=_BLACK, outline_style="dash", **line)
    return _rules(
        "fill",
        ("tile without inlier", '"inliers" = 0', [without]),
        ("tile", '"inliers" > 0', [with_some]),
    )


def _edge(color: str, style: str) -> Xml.Element:
    return _layer("SimpleFill", style="no", color=_NONE, outline_color=color,
                  outline_style=style, outline_width=0.6)  # fmt: skip


def _footprints() -> str:
    names = (
        ("reference", _BLACK, "solid"),
        ("moving, as it claims", _VERMILLION, "dash"),
        ("moving, aligned", _GREEN, "solid"),
    )
    return _rules("fill", *((n, f"\"raster\" = '{n}'", [_edge(c, s)]) for n, c, s in names))


def _arrow(color: str, width: float) -> list[Xml.Element]:
    head = _layer("SimpleMarker", name="arrowhead", color=color, outline_color=color,
                  outline_width=width, size=1.6)  # fmt: skip
    end = _layer("MarkerLine", placement="lastvertex", rotate=1)
    end.append(_symbol("@0@1", "marker", head))
    return [_layer("SimpleLine", line_color=color, line_width=width), end]


def _rules(kind: str, *rules: tuple[str, str, list[Xml.Element]]) -> str:
    """QML with one symbol for each rule: label, filter and symbol layers."""
    root = Xml.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = Xml.SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="0")
    tree = Xml.SubElement(renderer, "rules", key="{georeg}")
    symbols = Xml.SubElement(renderer, "symbols")
    for number, (label, expression, layers) in enumerate(rules):
        key = f"{{georeg-{number}}}"
        Xml.SubElement(
            tree, "rule", key=key, symbol=str(number), label=label, filter=expression
        )  # fmt: skip
        symbols.append(_symbol(str(number), kind, *layers))
    return Xml.tostring(root, encoding="unicode")


def _symbol(name: str, kind: str, *layers: Xml.Element) -> Xml.Element:
    symbol = Xml.Element("symbol", name=name, type=kind, alpha="1", clip_to_extent="1")
    symbol.extend(layers)
    return symbol


def _layer(kind: str, **options: Any) -> Xml.Element:
    layer = Xml.Element("layer", {"class": kind, "enabled": "1", "locked": "0", "pass": "0"})
    kept = Xml.SubElement(layer, "Option", type="Map")
    for name, value in options.items():
        Xml.SubElement(kept, "Option", type="QString", name=name, value=str(value))
    return layer


def _driven(name: str, expression: str) -> Xml.Element:
    """A property of a symbol layer that an expression decides."""
    root = Xml.Element("data_defined_properties")
    kept = Xml.SubElement(root, "Option", type="Map")
    Xml.SubElement(kept, "Option", name="name", type="QString", value="")
    properties = Xml.SubElement(kept, "Option", name="properties", type="Map")
    one = Xml.SubElement(properties, "Option", name=name, type="Map")
    Xml.SubElement(one, "Option", name="active", type="bool", value="true")
    Xml.SubElement(one, "Option", name="expression", type="QString", value=expression)
    Xml.SubElement(one, "Option", name="type", type="int", value="3")
    Xml.SubElement(kept, "Option", name="type", type="QString", value="collection")
    return root

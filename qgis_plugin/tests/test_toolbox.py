"""The algorithms as the toolbox and models show them; nothing is run."""

from __future__ import annotations

from typing import Any

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterEnum,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
)


def algorithm(name: str) -> QgsProcessingAlgorithm:
    return QgsApplication.processingRegistry().createAlgorithmById(f"georeg:{name}")


def test_the_toolbox_offers_only_what_the_engine_writes(plugin: Any) -> None:
    """GDAL can write JPEG 2000, the engine can't: a GeoTIFF of that name would be a lie."""
    for name in ("align", "warp", "ortho"):
        made, context = algorithm(name), QgsProcessingContext()
        output = made.parameterDefinition("OUTPUT")
        for path, good in (("a.tif", True), ("a.tiff", True), ("a.jp2", False), ("a.img", False)):
            assert plugin.provider.isSupportedOutputValue(path, output, context)[0] == good
        QgsSettings().setValue("Processing/DefaultOutputRasterLayerExt", 1)  # of GDAL's formats
        assert output.defaultFileExtension() == "tif"


def test_every_choice_says_what_its_values_are(plugin: Any) -> None:
    """They are the command line's: 'tps' says little to who doesn't know it."""
    for found in plugin.provider.algorithms():
        names = [definition.description() for definition in found.parameterDefinitions()]
        assert len(set(names)) == len(names)
        for definition in found.parameterDefinitions():
            if isinstance(definition, QgsProcessingParameterEnum):
                assert all(
                    f"<b>{value}</b>: " in definition.help() for value in definition.options()
                )
    align = algorithm("align")
    assert "Thin plate spline" in align.parameterDefinition("TRANSFORM").toolTip()


@pytest.mark.parametrize(("search", "told"), [("auto", []), ("normal", ["--search", "normal"])])
def test_a_scan_can_be_looked_for_nearby(plugin: Any, search: str, told: list[str]) -> None:
    """'normal' was what 'auto' is, and a scan without coordinates looked for everywhere."""
    align = algorithm("align")
    align._box = []
    assert align.given({"NO_GEOREF": True, "SEARCH": search}, QgsProcessingContext()) == told


def test_a_layer_is_not_aligned_to_itself(plugin: Any, sample: tuple[str, str]) -> None:
    """The toolbox proposes one layer for both: it was found to be 'already aligned'."""
    layer = QgsRasterLayer(sample[0], "one")
    QgsProject.instance().addMapLayer(layer)
    for name in ("align", "match", "check"):
        feedback = QgsProcessingFeedback()
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        values = {"MOVING": layer, "REFERENCE": layer, "OUTPUT": "TEMPORARY_OUTPUT",
                  "POINTS": "TEMPORARY_OUTPUT"}  # fmt: skip
        _, ok = algorithm(name).run(values, context, feedback)
        assert not ok
        assert "same file" in feedback.textLog()
        bands = {"MOVING_BANDS": [], "REFERENCE_BANDS": None}  # no bands either way
        _, ok = algorithm(name).run({**values, **bands}, context, feedback)
        assert not ok
    check = algorithm("check")
    values |= {"MOVING_BANDS": [1], "REFERENCE_BANDS": [3]}
    assert check.prepareAlgorithm(values, context, feedback)
    assert check.pair(values, context) == [sample[0], "--reference", sample[0]]

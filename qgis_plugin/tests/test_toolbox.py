"""The algorithms as the toolbox and models show them; nothing is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from georeg_qgis.algorithms.base import EngineAlgorithm
from georeg_qgis.engine.running import Outcome
from georeg_qgis.layers import LayerError, source_of
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsNullSymbolRenderer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterEnum,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
    QgsSettings,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

EXAMPLES = {"warp": "--dst-nodata", "fit": "--max-rmse"}  # options that others lack


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
        for name in ("EXTRA", "FIT_EXTRA"):  # the example must be an option of the command
            extra = found.parameterDefinition(name)
            command = "fit" if name == "FIT_EXTRA" else found.name()
            example = re.search(r"--[a-z-]+", extra.description() if extra else "")
            assert (extra is None) == (example is None)
            assert example is None or example[0] == EXAMPLES.get(command, "--max-tiles")
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


def values_of(layer: QgsRasterLayer, ranges: list[QgsRasterRange]) -> None:
    for band in range(1, layer.bandCount() + 1):
        layer.dataProvider().setUserNoDataValue(band, ranges)


def test_nodata_that_the_engine_does_not_take_is_said(
    plugin: Any, sample: tuple[str, str], tmp_path: Path
) -> None:
    """Of a file with a nodata value of its own, and of ranges, they were dropped without a word."""
    project, side = QgsProject.instance(), plugin.panel.inputs.moving
    context = QgsProcessingContext()
    context.setProject(project)
    reference = QgsRasterLayer(sample[1], "stays")
    project.addMapLayer(reference)
    for own, ranges, left_out in (
        (None, [(0, 0)], False),
        (None, [(0, 5)], True),
        (None, [(0, 0), (7, 7)], True),
        (9, [(0, 0)], True),
        (9, [(9, 9)], False),
        (9, [], False),
    ):
        path = tmp_path / f"{own}.tif"
        gdal.Translate(str(path), sample[0], noData=own)
        layer = QgsRasterLayer(str(path), "mine")
        values_of(layer, [QgsRasterRange(*edges) for edges in ranges])
        project.addMapLayer(layer)
        told = "'mine': its additional no data values don't count"
        values = {"MOVING": layer, "REFERENCE": reference}
        for more, said in (({}, left_out), ({"MOVING_NODATA": ""}, False)):  # the panel's own
            feedback = QgsProcessingFeedback()
            algorithm("check").prepareAlgorithm({**values, **more}, context, feedback)
            assert (told in feedback.textLog()) == said
        side.set_layer(layer)
        assert (told in side.note.text()) == left_out


def test_a_description_instead_of_a_file_is_named(
    plugin: Any, sample: tuple[str, str], tmp_path: Path
) -> None:
    """'The file <VRTDataset ...> is gone', with all of the XML."""
    gdal.BuildVRT(str(tmp_path / "a.vrt"), [sample[0]])
    layer = QgsRasterLayer((tmp_path / "a.vrt").read_text(), "mosaic")
    assert layer.isValid()
    with pytest.raises(LayerError, match=r"^Here, 'mosaic' exists in QGIS' memory only\. Save it"):
        source_of(layer, "Here")


def test_fitting_has_further_options_of_its_own(
    plugin: Any, sample: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are given are `georeg warp`'s."""
    told: list[list[str]] = []

    def run(self: Any, arguments: list[str], *_: Any) -> Outcome:
        told.append(arguments)
        (tmp_path / "a.report.json").write_text('{"verdict": {}}')
        return Outcome(0, False, "")

    monkeypatch.setattr(EngineAlgorithm, "run_engine", run)
    layers = [QgsRasterLayer(path, "layer") for path in sample]
    values_of(layers[0], [QgsRasterRange(0, 0)])
    QgsProject.instance().addMapLayers(layers)
    feedback, context = QgsProcessingFeedback(), QgsProcessingContext()
    context.setProject(QgsProject.instance())
    values = {
        "INPUT": layers[0], "REFERENCE": layers[1], "POINTS": str(tmp_path / "p.csv"),
        "OUTPUT": str(tmp_path / "a.tif"), "EXTRA": "--dst-nodata 3 --moving-nodata 4",
        "FIT_EXTRA": "--max-rmse 1 --moving-nodata 5",
    }  # fmt: skip
    _, ok = algorithm("warp").run(values, context, feedback)
    assert ok, feedback.textLog()
    fit, warp = told
    assert fit[-4:] == ["--max-rmse", "1", "--moving-nodata", "5"]
    assert fit.count("--moving-nodata") == warp.count("--moving-nodata") == 1
    assert warp[-4:] == ["--dst-nodata", "3", "--moving-nodata", "4"]


def test_tie_points_come_onto_the_map_in_their_style(
    plugin: Any, sample: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel shows them; of the toolbox they were a file."""
    path = str(tmp_path / "p.gpkg")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "points"
    made = QgsVectorLayer("Point?crs=EPSG:32633&field=id:integer", "points", "memory")
    project = QgsProject.instance()
    QgsVectorFileWriter.writeAsVectorFormatV2(made, path, project.transformContext(), options)
    stored = QgsVectorLayer(f"{path}|layername=points", "points")
    stored.setRenderer(QgsNullSymbolRenderer())
    stored.saveStyleToDatabase("errors", "", True, "")
    outcome = Outcome(
        0, False, "", {"verdict": {"status": "aligned"}, "points": 9, "inliers": 9}
    )  # fmt: skip
    monkeypatch.setattr(EngineAlgorithm, "run_engine", lambda *_: outcome)
    layers = [QgsRasterLayer(path, "layer") for path in sample]
    project.addMapLayers(layers)
    values = {"MOVING": layers[0], "REFERENCE": layers[1], "POINTS": path}
    feedback = QgsProcessingFeedback()
    for wanted in (True, False, True):
        context = QgsProcessingContext()  # takes what styles its layers along when it goes
        context.setProject(project)
        _, ok = algorithm("match").run({**values, "SHOW": wanted}, context, feedback)
        assert ok, feedback.textLog()
        loaded = context.layersToLoadOnCompletion()
        assert list(loaded) == ([f"{path}|layername=points"] if wanted else [])
    layer = QgsProcessingUtils.mapLayerFromString(f"{path}|layername=points", context)
    details = loaded[f"{path}|layername=points"]
    details.postProcessor().postProcessLayer(layer, context, feedback)
    assert layer.renderer().type() == "nullSymbol"

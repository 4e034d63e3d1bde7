"""What all algorithms share: parameters, the engine's run, its progress and its errors."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtGui import QIcon

from ..choices import GRIDS, MODALITIES, RESAMPLINGS, SEARCHES, TIPS, TRANSFORMS
from ..engine import words
from ..engine.errors import EngineError
from ..engine.protocol import Event
from ..engine.running import PARTLY, STOPPED, Outcome, Run
from ..engine.words import N_
from ..layers import (
    LayerError,
    crs_of,
    crs_set_in_qgis,
    nodata_left_out,
    nodata_set_in_qgis,
    source_of,
)
from ..settings import find_engine, proxy
from ..texts import help_page, said, tr
from .showing import show

POINT_FILES = (
    "GeoPackage (*.gpkg);;QGIS Georeferencer (*.points);;CSV (*.csv);;GeoJSON (*.geojson);;"
    "ArcGIS (*.txt);;GDAL (*.sh);;GeoTIFF (*.tif)"
)
NUMBERS = {
    "RMSE_PX": N_("RMSE (px)"),
    "CE90_PX": N_("CE90 (px)"),
    "RMSE_M": N_("RMSE (m)"),
    "CE90_M": N_("CE90 (m)"),
    "TIE_POINTS": N_("Tie points"),
    "INLIERS": N_("Tie points that agree"),
    "DISPLACEMENT_PX": N_("Displacement (px)"),
}


class EngineAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs a command of the engine."""

    COMMAND = ""
    TITLE = ""
    ABOUT = ""
    refused = False  # by the last run: no trustworthy alignment was found

    def name(self) -> str:
        """Of the command."""
        return self.COMMAND

    def displayName(self) -> str:
        """For people."""
        return tr(self.TITLE)

    def shortHelpString(self) -> str:
        """Beside the dialog."""
        return tr(self.ABOUT)

    def helpUrl(self) -> str:
        """The page that comes with the plugin."""
        return help_page(self.COMMAND)

    def icon(self) -> QIcon:
        """The provider's."""
        here = os.path.dirname(os.path.dirname(__file__))
        return QIcon(os.path.join(here, "icons", "georeg.svg"))

    def createInstance(self) -> EngineAlgorithm:
        """Another one."""
        return type(self)()

    # Parameters

    def add(
        self, parameter: QgsProcessingParameterDefinition, advanced: bool = False, tip: str = ""
    ) -> None:
        """Declare a parameter; `tip` names what is said of it where the mouse rests on it."""
        if tip:
            parameter.setHelp("<br>".join(filter(None, (tr(TIPS[tip]), parameter.help()))))
        if advanced:
            flag = QgsProcessingParameterDefinition.Flag.FlagAdvanced
            parameter.setFlags(parameter.flags() | flag)
        self.addParameter(parameter)

    def add_pair(self) -> None:
        """The two rasters."""
        self.add(QgsProcessingParameterRasterLayer("MOVING", tr("Layer that moves")))
        self.add(QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference layer (stays)")))

    def add_looks(self, moving: str = "") -> None:
        """How the two are looked at; `moving` is what the one that moves is called."""
        sides = {"MOVING": moving or tr("Layer that moves"), "REFERENCE": tr("Reference")}
        for side, name in sides.items():
            text = tr("{layer}: what it shows").format(layer=name)
            self.add(_choice(f"{side}_MODALITY", text, MODALITIES), tip="MODALITY")
        for side, name in sides.items():
            text = tr("{layer}: bands to look at").format(layer=name)
            band = QgsProcessingParameterBand(
                f"{side}_BANDS", text, None, side, optional=True, allowMultiple=True
            )
            self.add(band, advanced=True, tip="BANDS")

    def add_lost(self) -> None:
        """Whether the layer that moves has no place, or a wrong one."""
        text = tr("The layer that moves has no coordinates, or wrong ones: look everywhere")
        self.add(QgsProcessingParameterBoolean("NO_GEOREF", text, False), tip="NO_GEOREF")

    def add_matching(self, transform: bool = True, limit: bool = True) -> None:
        """How tie points are found; with a transform to choose and a limit of the error or not."""
        from qgis.core import QgsProcessingParameterExtent

        self.add(QgsProcessingParameterExtent("AREA", tr("Area of interest"), optional=True))
        if transform:
            self.add(_choice("TRANSFORM", tr("Transform"), TRANSFORMS), tip="TRANSFORM")
        search = _choice("SEARCH", tr("Search range"), SEARCHES)
        self.add(search, advanced=True, tip="SEARCH")
        text = tr("Largest shift to look for, in reference pixels (80) or metres (800m)")
        shift = QgsProcessingParameterString("MAX_SHIFT", text, None, optional=True)
        self.add(shift, advanced=True, tip="MAX_SHIFT")
        if limit:
            text = tr("Refuse if the error is larger (reference pixels)")
            self.add(_number("MAX_RMSE", text), advanced=True, tip="MAX_RMSE")
        for name, text in (
            ("MATCHER", tr("Matcher: auto, or a name such as structural or minima_loftr")),
            ("DEVICE", tr("Device: auto, cpu or cuda")),
        ):
            self.add(QgsProcessingParameterString(name, text, "auto"), advanced=True, tip=name)

    def add_grid(self) -> None:
        """What the output looks like."""
        grid = _choice("GRID", tr("Pixel grid of the output"), GRIDS)
        self.add(grid, advanced=True, tip="GRID")
        size = tr("Pixel size of the output, in units of its CRS")
        self.add(_number("RESOLUTION", size), advanced=True)
        kernel = _choice("RESAMPLING", tr("Resampling"), RESAMPLINGS)
        self.add(kernel, advanced=True, tip="RESAMPLING")

    def add_extra(self, name: str = "EXTRA", text: str = "") -> None:
        """Whatever else the command line knows."""
        text = text or tr("Further options of the command line, such as --max-tiles 400")
        self.add(QgsProcessingParameterString(name, text, None, optional=True), advanced=True)

    def add_file(self, name: str, text: str, kinds: str) -> None:
        """A file that is written if it is wanted."""
        self.add(
            QgsProcessingParameterFileDestination(
                name, text, kinds, None, optional=True, createByDefault=False
            )
        )

    def add_show(self) -> None:
        """Whether tie points are put onto the map."""
        text = tr("Add the tie points to the map, where they are a GeoPackage")
        self.add(QgsProcessingParameterBoolean("SHOW", text, True), advanced=True)

    def show(self, path: str, values: dict[str, Any], context: QgsProcessingContext) -> None:
        """Put tie points onto the map where it is wanted."""
        if self.parameterAsBool(values, "SHOW", context):
            show(path, context)

    def add_numbers(self, *names: str) -> None:
        """Declare outputs that are numbers, and what was found in words."""
        self.addOutput(QgsProcessingOutputString("VERDICT", tr("Verdict")))
        for name in names or tuple(NUMBERS):
            self.addOutput(QgsProcessingOutputNumber(name, tr(NUMBERS[name])))

    # Values

    def prepareAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Look at layers and the project in the thread that they live in: QGIS begins with this.

        Beside it not even a look is safe: it goes through `QgsProject.layerStore()`, which throws
        away what the GUI thread may be building for the map just then, and QGIS crashes (3.22).

        Raises:
            QgsProcessingException: a layer can't be used.
        """
        self._sources: dict[str, str] = {}
        self._set: dict[tuple[str, str], str] = {}
        project = context.project()  # none in qgis_process
        crs_of_area = QgsCoordinateReferenceSystem() if project is None else project.crs()
        for definition in self.parameterDefinitions():
            name = definition.name()
            raster = definition.type() == QgsProcessingParameterRasterLayer.typeName()
            if not raster or values.get(name) in (None, ""):
                continue
            layer = self.parameterAsRasterLayer(values, name, context)
            if layer is None:
                raise QgsProcessingException(self.invalidRasterError(values, name))
            try:
                self._sources[name] = source_of(layer, definition.description())
            except LayerError as error:
                raise QgsProcessingException(str(error)) from None
            # Of several layers of one file the panel knows which is meant; a name doesn't tell.
            for what, look in (("crs", crs_set_in_qgis), ("nodata", nodata_set_in_qgis)):
                known = values.get(f"{name}_{what.upper()}")
                self._set[name, what] = look(layer) if known is None else known
            if f"{name}_NODATA" not in values and nodata_left_out(layer):
                feedback.pushWarning(nodata_left_out(layer))
            if name == "REFERENCE":
                crs_of_area = crs_of(layer, self._set[name, "crs"])
        self._box = self._area(values, context, crs_of_area)
        return True

    def raster(self, name: str) -> str:
        """Name of an input for the engine; empty where none was given."""
        return self._sources.get(name, "")

    def pair(self, values: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        """Arguments for the two rasters.

        Raises:
            QgsProcessingException: they are one, as the toolbox proposes at first.
        """
        same = same_twice(self.raster("MOVING"), self.raster("REFERENCE"), values)
        if same:
            raise QgsProcessingException(same)
        names = [self.raster("MOVING"), "--reference", self.raster("REFERENCE")]
        names += self.lost(values, context)
        return names + self.set_in_qgis(values, context, MOVING="MOVING", REFERENCE="REFERENCE")

    def lost(self, values: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        """The argument for a layer without a place."""
        wanted = self.parameterDefinition("NO_GEOREF") is not None and self.parameterAsBool(
            values, "NO_GEOREF", context
        )
        return ["--no-georef"] if wanted else []

    def set_in_qgis(
        self,
        values: dict[str, Any],
        context: QgsProcessingContext,
        kinds: Sequence[str] = ("crs", "nodata"),
        extra: str = "EXTRA",
        **sides: str,
    ) -> list[str]:
        """Arguments for CRSs and nodata values that were set in QGIS: the engine reads the files.

        Args:
            values: of the parameters.
            context: of the run.
            kinds: what of it the command takes.
            extra: name of the parameter whose options of the same name win.
            sides: MOVING and REFERENCE, and the names of their parameters.
        """
        theirs = {word.partition("=")[0] for word in self.further(values, context, extra)}
        found: list[str] = []
        for side, name in sides.items():
            for what in kinds:
                option, value = f"--{side.lower()}-{what}", self._set.get((name, what))
                found += [option, value] if value and option not in theirs else []
        return found

    def given(self, values: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        """Arguments for all parameters that this algorithm has and that were set."""
        found: list[str] = []
        for name, option in (
            ("MOVING_MODALITY", "--moving-modality"), ("TRANSFORM", "--transform"),
            ("REFERENCE_MODALITY", "--reference-modality"), ("SEARCH", "--search"),
            ("GRID", "--grid"), ("RESAMPLING", "--resampling"),
        ):  # fmt: skip
            if self.parameterDefinition(name) is not None:
                value = self.parameterAsEnumString(values, name, context)
                found += [option, value] if value not in ("", "auto") else []
        for name, option in (
            ("MATCHER", "--matcher"), ("DEVICE", "--device"), ("MAX_SHIFT", "--max-shift"),
        ):  # fmt: skip
            if self.parameterDefinition(name) is not None:
                value = self.parameterAsString(values, name, context).strip()
                found += [option, value] if value not in ("", "auto") else []
        for name, option in (("MAX_RMSE", "--max-rmse"), ("RESOLUTION", "--resolution")):
            if self.parameterDefinition(name) is not None and values.get(name) is not None:
                found += [option, repr(self.parameterAsDouble(values, name, context))]
        for side in ("MOVING", "REFERENCE"):
            if self.parameterDefinition(f"{side}_BANDS") is not None:
                bands = self.parameterAsInts(values, f"{side}_BANDS", context)
                if values.get(f"{side}_BANDS") and bands:
                    found += [f"--{side.lower()}-bands", ",".join(map(str, bands))]
        return found + self._box + self.further(values, context)

    def _area(self, values: dict[str, Any], context: QgsProcessingContext, crs: Any) -> list[str]:
        if self.parameterDefinition("AREA") is None or not values.get("AREA"):
            return []
        box = self.parameterAsExtent(values, "AREA", context, crs)
        if box.isEmpty():
            return []
        edges = (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())
        return ["--area", *map(repr, edges)]

    def further(
        self, values: dict[str, Any], context: QgsProcessingContext, name: str = "EXTRA"
    ) -> list[str]:
        """Further options.

        Raises:
            QgsProcessingException: a quotation mark is missing.
        """
        if self.parameterDefinition(name) is None:
            return []
        try:
            return shlex.split(self.parameterAsString(values, name, context))
        except ValueError as error:
            raise QgsProcessingException(f"{tr('Further options')}: {error}") from None

    # Runs

    def run_engine(
        self,
        arguments: Sequence[str],
        feedback: QgsProcessingFeedback,
        span: Sequence[float] = (0, 100),
    ) -> Outcome:
        """Run a command to its end.

        Args:
            arguments: of the command line.
            feedback: told the progress; may cancel.
            span: of the bar.

        Raises:
            QgsProcessingException: there is no engine, it failed, or refused (`refused`). Not one
                of its subclasses: QGIS shows the traceback of these, as if this were a mistake.
        """
        self.refused = False
        feedback.setProgressText(tr(words.stage("")))
        try:
            engine = find_engine(feedback.isCanceled)
            if arguments[0] not in engine.commands:
                raise EngineError(
                    N_("georeg {version} has no command '{command}': update the engine."),
                    version=engine.version,
                    command=arguments[0],
                )
            feedback.pushCommandInfo(shlex.join(["georeg", *arguments]))
            run = Run(engine, arguments, proxy())
        except EngineError as error:
            if feedback.isCanceled():
                return Outcome(STOPPED, True, "")
            raise QgsProcessingException(said(error)) from None
        before = [""]

        def hear(event: Event) -> None:
            if event.kind == "progress":
                if event.step != before[0]:
                    before[0] = event.step
                    feedback.setProgressText(tr(words.stage(event.step)))
                done = words.percent(event.step, event.share) / 100
                feedback.setProgress(span[0] + (span[1] - span[0]) * done)
            elif event.level == "warning":
                feedback.pushWarning(event.message)
            elif event.kind == "result":
                feedback.pushInfo(event.message)
            elif event.kind in ("log", "decision"):
                feedback.pushDebugInfo(event.message)

        outcome = run.wait(hear, feedback.isCanceled)
        if outcome.cancelled:
            return outcome
        self.refused = outcome.refused
        if outcome.refused:
            raise QgsProcessingException(outcome.message)
        if outcome.code == PARTLY:
            feedback.reportError(outcome.message)
        elif not outcome.ok:
            raise QgsProcessingException(outcome.message or f"exit code {outcome.code}")
        return outcome


def same_twice(moving: str, reference: str, values: dict[str, Any]) -> str:
    """What to say where both rasters are one, else nothing. Different bands of one are two."""
    bands = [values.get(f"{side}_BANDS") or None for side in ("MOVING", "REFERENCE")]
    if moving != reference or bands[0] != bands[1]:
        return ""
    return tr("Both layers are the same file: choose another reference.")


def figures(path: str) -> dict[str, Any]:
    """Numbers and the verdict from a report."""
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    verdict, points = report["verdict"], report.get("tie_points") or {}
    accuracy = verdict.get("accuracy") or {}
    found = {
        "RMSE_PX": accuracy.get("rmse_px"),
        "CE90_PX": accuracy.get("ce90_px"),
        "RMSE_M": accuracy.get("rmse_m"),
        "CE90_M": accuracy.get("ce90_m"),
        "TIE_POINTS": points.get("count", verdict.get("tie_points")),
        "INLIERS": points.get("inliers", verdict.get("inliers")),
        "DISPLACEMENT_PX": verdict.get("displacement_px"),
        "VERDICT": verdict.get("status"),
    }
    return {name: value for name, value in found.items() if value is not None}


def report_beside(output: str) -> str:
    """Where the report of an output goes."""
    return os.path.splitext(output)[0] + ".report.json"


def stamp(path: str) -> tuple[int, ...] | None:
    """Tells whether a file was written meanwhile; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _choice(name: str, text: str, choices: dict[str, str]) -> QgsProcessingParameterEnum:
    """An option whose values are the command line's; its help says what the panel calls them."""
    values = list(choices)
    found = QgsProcessingParameterEnum(
        name, text, values, False, values[0], False, usesStaticStrings=True
    )
    found.setHelp("<br>".join(f"<b>{value}</b>: {tr(words)}" for value, words in choices.items()))
    return found


def _number(name: str, text: str, default: float | None = None) -> QgsProcessingParameterNumber:
    kind = QgsProcessingParameterNumber.Type.Double
    return QgsProcessingParameterNumber(name, text, kind, default, optional=True)

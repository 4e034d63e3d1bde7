"""What a raster says about its bands and itself, carried over to an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rasterio.enums import ColorInterp

from georeg.raster import Raster
from georeg.writers.tables import Tables, tables_of

Tags = Mapping[str, str]

# Old georeference (ENVI: the whole header), and what GDAL computes from the file.
_DROPPED_DOMAINS = {
    "IMAGE_STRUCTURE",
    "DERIVED_SUBDATASETS",
    "SUBDATASETS",
    "GEOLOCATION",
    "RPC",
    "GCPS",
    "TIFF",
    "ENVI",
    "GEOREG",
}
_DROPPED_TAGS = ("STATISTICS_", "LAYOUT")
# Of a netCDF's variable that holds the georeference: all that it says is dropped.
_GRID_MAPPING = ("#grid_mapping_name", "#spatial_ref", "#crs_wkt", "#GeoTransform")
DOMAIN = "GEOREG"
BAND_DOMAIN = "GEOREG_BAND"


@dataclass(frozen=True, eq=False)
class Metadata:
    """Everything but pixels, validity and georeference.

    Attributes:
        tags: of the dataset, by domain ("" is the default domain).
        band_tags: the same for every band.
        descriptions: names of the bands.
        units: of the bands' values.
        scales: value = pixel * scale + offset.
        offsets: see scales.
        colorinterp: rasterio's names.
        palettes: colour number -> RGBA, by 1-based band.
        tables: names of classes and attribute tables, by 1-based band; `apply` leaves them out, as
            they go beside the file.
    """

    tags: Mapping[str, Tags] = field(default_factory=dict)
    band_tags: tuple[Mapping[str, Tags], ...] = ()
    descriptions: tuple[str | None, ...] = ()
    units: tuple[str | None, ...] = ()
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    colorinterp: tuple[str, ...] = ()
    palettes: Mapping[int, Mapping[int, tuple[int, int, int, int]]] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)

    @classmethod
    def of(cls, raster: Raster) -> Metadata:
        """The metadata of a raster, without what would be wrong for a resampled copy.

        Dropped on purpose: statistics, RPCs, GCPs, geolocation arrays, and the provenance of an
        earlier georeg run.
        """
        dataset = raster.dataset()
        interp = raster.header.colorinterp
        return cls(
            tags=_tags(dataset, 0),
            band_tags=tuple(_tags(dataset, band) for band in dataset.indexes),
            descriptions=tuple(dataset.descriptions),
            units=raster.header.units,
            scales=tuple(dataset.scales),
            offsets=tuple(dataset.offsets),
            colorinterp=interp,
            palettes={
                band: dataset.colormap(band)
                for band, name in enumerate(interp, start=1)
                if name == "palette"
            },
            tables=tables_of(raster),
        )

    def without(self, tag: str) -> Metadata:
        """The same without a tag of the dataset's default domain."""
        own = {key: value for key, value in self.tags.get("", {}).items() if key != tag}
        return replace(self, tags={**self.tags, "": own})

    @property
    def photometric(self) -> str:
        """The TIFF's PHOTOMETRIC option that suits the bands' colours."""
        if self.palettes:
            return "PALETTE"
        if self.colorinterp[:3] == ("red", "green", "blue"):
            return "RGB"
        if self.colorinterp[:4] == ("cyan", "magenta", "yellow", "black"):
            return "CMYK"
        return "MINISBLACK"

    def apply(self, dataset: Any, provenance: Tags, *, park: bool = False) -> None:
        """Write it all, and the provenance, into a rasterio dataset that has no pixels yet.

        Args:
            dataset: open for writing. A TIFF's directory is written with the first pixels:
                metadata that comes later would be appended in a second one.
            provenance: tags for the domain GEOREG; TIFFTAG_* go where TIFF readers look for them.
            park: put the bands' default domain under the name `BAND_DOMAIN`, see `_make_cog`.
        """
        tiff = {key: value for key, value in provenance.items() if key.startswith("TIFFTAG_")}
        own = {key: value for key, value in provenance.items() if key not in tiff}
        _update(dataset, 0, {**self.tags, "": {**self.tags.get("", {}), **tiff}, DOMAIN: own})
        for band, domains in enumerate(self.band_tags, start=1):
            parked = {BAND_DOMAIN if park and not d else d: tags for d, tags in domains.items()}
            _update(dataset, band, parked)
        for band, palette in self.palettes.items():
            dataset.write_colormap(band, palette)
        if self.colorinterp:
            dataset.colorinterp = [ColorInterp[name] for name in self.colorinterp]
        self._apply_bands(dataset)

    def _apply_bands(self, dataset: Any) -> None:
        """Set only what says something: empty values would still be written out."""
        for band, (description, unit) in enumerate(
            zip(self.descriptions, self.units, strict=True), start=1
        ):
            if description:
                dataset.set_band_description(band, description)
            if unit:
                dataset.set_band_unit(band, unit)
        if any(scale != 1 for scale in self.scales):
            dataset.scales = self.scales
        if any(offset != 0 for offset in self.offsets):
            dataset.offsets = self.offsets


def _update(dataset: Any, band: int, domains: Mapping[str, Tags]) -> None:
    for domain, tags in domains.items():
        # rasterio takes tags as keywords beside its own two.
        usable = {key: value for key, value in tags.items() if key not in ("ns", "bidx", "self")}
        if usable:
            dataset.update_tags(band, ns=domain or None, **usable)


def _tags(dataset: Any, band: int) -> dict[str, Tags]:
    """Tags by domain of the dataset (band 0) or of a band, without those to be dropped."""
    found: dict[str, Tags] = {}
    for domain in ("", *dataset.tag_namespaces(band)):
        # Domains with a colon (xml:XMP) hold documents, not tags.
        if domain in _DROPPED_DOMAINS or ":" in domain:
            continue
        own = dataset.tags(band, ns=domain or None)
        old = {key.partition("#")[0] + "#" for key in own if key.endswith(_GRID_MAPPING)}
        dropped = (*_DROPPED_TAGS, *sorted(old))
        tags = {key: value for key, value in own.items() if not key.startswith(dropped)}
        if tags:
            found[domain] = tags
    return found

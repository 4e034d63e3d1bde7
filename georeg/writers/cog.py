"""Cloud-optimised GeoTIFFs, made from a plain GeoTIFF of finished blocks.

rasterio's own COG mode keeps the whole raster in memory until it is closed.
"""

from __future__ import annotations

from collections.abc import Mapping

import rasterio.shutil

from georeg.writers.creation import is_sparse
from georeg.writers.metadata import BAND_DOMAIN
from georeg.writers.place import writing
from georeg.writers.tiff import check_whole, rename_domain


def make_cog(flat: str, path: str, creation: Mapping[str, str], output: str) -> None:
    """Turn a GeoTIFF into a COG with overviews.

    Args:
        flat: the GeoTIFF; its bands' default domain is parked as `BAND_DOMAIN`.
        path: of the new COG.
        creation: options of the COG driver.
        output: its final name, for messages.

    Raises:
        OutputError: it can't be written.
    """
    with writing(output):
        rasterio.shutil.copy(flat, path, driver="COG", **creation)
        check_whole(path, output, sparse=is_sparse(creation))
        # GDAL (3.10) copies the bands' default domain only if it copies no other domain; so it
        # travels under another name.
        rename_domain(path, BAND_DOMAIN)

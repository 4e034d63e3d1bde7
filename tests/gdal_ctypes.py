"""A newer GDAL than Debian's, as a program: pyogrio's wheel has one, and this calls it.

python gdal_ctypes.py warp [options of gdalwarp] IN OUT
python gdal_ctypes.py raster edit ...          (any `gdal` command of GDAL 3.11 and newer)
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path


def library() -> str | None:
    """Path of pyogrio's libgdal; None where it is not a wheel."""
    import pyogrio

    found = sorted(Path(pyogrio.__file__).parent.parent.glob("pyogrio.libs/libgdal*"))
    return str(found[0]) if found else None


def _strings(values: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    encoded = [value.encode() for value in values]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def _pointer(function, *types):
    function.restype = ctypes.c_void_p
    function.argtypes = types
    return function


def warp(gdal: ctypes.CDLL, args: list[str]) -> int:
    """What gdalwarp does."""
    *options, source, output = args
    anything = ctypes.c_void_p
    opened = _pointer(gdal.GDALOpen, ctypes.c_char_p, ctypes.c_int)(source.encode(), 0)
    chosen = _pointer(gdal.GDALWarpAppOptionsNew, anything, anything)(_strings(options), None)
    if not opened or not chosen:
        return 1
    run = _pointer(
        gdal.GDALWarp, ctypes.c_char_p, anything, ctypes.c_int, anything, anything, anything
    )
    sources = (ctypes.c_void_p * 1)(opened)
    made = run(output.encode(), None, 1, sources, chosen, None)
    gdal.GDALClose.argtypes = [anything]
    if made:
        gdal.GDALClose(made)
    return 0 if made else 1


def command(gdal: ctypes.CDLL, args: list[str]) -> int:
    """What the program `gdal` does."""
    anything = ctypes.c_void_p
    registry = _pointer(gdal.GDALGetGlobalAlgorithmRegistry)()
    make = _pointer(gdal.GDALAlgorithmRegistryInstantiateAlg, anything, ctypes.c_char_p)
    algorithm = make(registry, args[0].encode())
    for name in ("GDALAlgorithmParseCommandLineArguments", "GDALAlgorithmRun",
                 "GDALAlgorithmFinalize"):  # fmt: skip
        getattr(gdal, name).restype = ctypes.c_bool
    gdal.GDALAlgorithmParseCommandLineArguments.argtypes = [anything, anything]
    gdal.GDALAlgorithmRun.argtypes = [anything, anything, anything]
    gdal.GDALAlgorithmFinalize.argtypes = [anything]
    if not gdal.GDALAlgorithmParseCommandLineArguments(algorithm, _strings(args[1:])):
        return 1
    done = gdal.GDALAlgorithmRun(algorithm, None, None) and gdal.GDALAlgorithmFinalize(algorithm)
    return 0 if done else 1


def main(args: list[str]) -> int:
    path = library()
    if path is None:
        return 2
    import pyogrio

    gdal = ctypes.CDLL(path)
    gdal.GDALAllRegister()
    del pyogrio
    return warp(gdal, args[1:]) if args[0] == "warp" else command(gdal, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

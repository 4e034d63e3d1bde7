"""What the libraries underneath are told before they load, in processes that are georeg's own."""

from __future__ import annotations

import atexit
import gc
import os

_DEFAULTS = {
    # GDAL and torch print some messages themselves, past every handler, and GDAL those of threads
    # of ours, too. All that matters reaches us as exceptions.
    "CPL_LOG": os.devnull,
    # PROJ does, too, that it can't find its database: GDAL asks it for the names of units
    # (kilometres in a GeoTIFF's CRS) before it is told where that is.
    "PROJ_DEBUG": "0",
    # See `opening._in_one_thread`; this is for virtual rasters within others.
    "VRT_NUM_THREADS": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    # OpenMP's threads otherwise wait in a busy loop. Where other processes want the same cores,
    # that makes torch ten times slower. Where nobody does, large networks take as long either way
    # (LoFTR's backbone: 2.0 s), and tiny convolutions 14 ms instead of 8.
    "OMP_WAIT_POLICY": "PASSIVE",
}
# New objects after which Python looks for cycles among them; some hundreds or thousands if not
# told. torch and SciPy make many more when they are imported, all to stay: looking through them
# again and again takes a tenth of that time.
_COLLECT_AFTER = 50_000


def prepare() -> None:
    """Set these variables, but for those that the user has set, and have garbage sought less often.

    To be called before torch and rasterio are imported: they look only once.
    """
    gc.set_threshold(_COLLECT_AFTER)
    # A process that ends looks through all there is several times, for nothing: with torch that
    # takes as long as a fifth of its import.
    atexit.register(gc.freeze)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


_pools: list[int] = []  # the process in which GDAL and torch first had threads of their own


def with_threads() -> None:
    """Remember that from here on GDAL and torch may start threads, which they keep for later."""
    if not _pools:
        _pools.append(os.getpid())


def threads_left_behind() -> bool:
    """Whether this process is a fork of one in which GDAL and torch have started threads.

    A fork has none of them, but both libraries believe that it does: GDAL hands them strips to
    decode and waits for ever.
    """
    return bool(_pools) and _pools[0] != os.getpid()

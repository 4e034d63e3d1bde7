"""Warnings that say what georeg says itself, or knows, are silenced: in threads, too."""

from __future__ import annotations

import threading
import warnings

_KNOWN = (
    "Dataset has no geotransform",  # rasterio: rasters without georeference
    "Best transformation is not available",  # pyproj: a grid is missing
    # torch, of a checkpoint's form: what can't be read is an error.
    "'torch.load' received a zip file that looks like a TorchScript archive",
    "Detected pickle protocol",
    "TypedStorage is deprecated",
)


class _Quietly:
    """Nothing is said of what is known while any thread is in here.

    What `warnings.catch_warnings` changes is the whole process's. By itself in several threads, the
    first one that leaves ends the silence of the others, and the last one leaves it behind. So
    there is one of these, for all that is known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                for message in _KNOWN:
                    warnings.filterwarnings("ignore", message, UserWarning)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


QUIETLY = _Quietly()

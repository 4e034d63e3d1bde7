"""RPCs as _RPC.TXT: one `KEY: value` a line, as Space Imaging and most vendors have them."""

from __future__ import annotations

from georeg.ortho.rpc import COEFFICIENTS, ERRORS, NUMBERS, Rpc


def looks_so(text: str) -> bool:
    """Whether a text file may be one of these."""
    return "LINE_NUM_COEFF_1" in text.upper() and "<" not in text[:200]


def read(text: str, name: str) -> Rpc:
    """From the file's text.

    Raises:
        InputError: it is incomplete or malformed.
    """
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and value.split():
            values[key.strip().upper()] = value.split()[0]  # a unit may follow
    for key in COEFFICIENTS:
        found = [values.get(f"{key}_{k}") for k in range(1, 21)]
        if None not in found:
            values[key] = " ".join(map(str, found))
    return Rpc.from_tags(values, name)


def write(rpc: Rpc) -> str:
    """The file's text; GDAL reads the same numbers from it, to the last bit."""
    tags = rpc.to_tags()
    lines = [f"{key}: {tags[key]}" for key in (*ERRORS, *NUMBERS)]
    for key in COEFFICIENTS:
        lines += [f"{key}_{k}: {c}" for k, c in enumerate(tags[key].split(), start=1)]
    return "\n".join(lines) + "\n"

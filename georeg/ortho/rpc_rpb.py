"""RPCs as .RPB: DigitalGlobe's groups of `name = value;`."""

from __future__ import annotations

import re

from georeg.ortho.rpc import COEFFICIENTS, ERRORS, NUMBERS, Rpc

_NAMES = {
    "ERR_BIAS": "errBias",
    "ERR_RAND": "errRand",
    "LINE_OFF": "lineOffset",
    "SAMP_OFF": "sampOffset",
    "LAT_OFF": "latOffset",
    "LONG_OFF": "longOffset",
    "HEIGHT_OFF": "heightOffset",
    "LINE_SCALE": "lineScale",
    "SAMP_SCALE": "sampScale",
    "LAT_SCALE": "latScale",
    "LONG_SCALE": "longScale",
    "HEIGHT_SCALE": "heightScale",
    "LINE_NUM_COEFF": "lineNumCoef",
    "LINE_DEN_COEFF": "lineDenCoef",
    "SAMP_NUM_COEFF": "sampNumCoef",
    "SAMP_DEN_COEFF": "sampDenCoef",
}


def looks_so(text: str) -> bool:
    """Whether a text file may be one of these."""
    return "lineNumCoef" in text and "=" in text


def is_whole(text: str) -> bool:
    """Whether GDAL will read a text file as one of these."""
    ends = re.search(r"^\s*END_GROUP\b.*^\s*END\b", text, re.MULTILINE | re.DOTALL)
    return looks_so(text) and "BEGIN_GROUP" in text and ends is not None


def read(text: str, name: str) -> Rpc:
    """From the file's text.

    Raises:
        InputError: it is incomplete or malformed.
    """
    values = {}
    for key, word in _NAMES.items():
        found = re.search(rf"\b{word}\s*=\s*(\([^)]*\)|[^;\s]+)", text)
        if found:
            values[key] = " ".join(found.group(1).strip("()").replace(",", " ").split())
    return Rpc.from_tags(values, name)


def write(rpc: Rpc) -> str:
    """The file's text; GDAL reads the same numbers from it, to the last bit."""
    tags = rpc.to_tags()
    lines = ['satId = "????";', 'bandId = "?";', 'SpecId = "RPC00B";', "BEGIN_GROUP = IMAGE"]
    for key in (*ERRORS, *NUMBERS):
        # GDAL wants these two in every file, and there is no way to say that they are unknown.
        value = "0" if key in ERRORS and tags[key] == "-1" else tags[key]
        lines.append(f"\t{_NAMES[key]} = {value};")
    for key in COEFFICIENTS:
        coefficients = ",\n\t\t\t".join(tags[key].split())
        lines.append(f"\t{_NAMES[key]} = (\n\t\t\t{coefficients});")
    return "\n".join([*lines, "END_GROUP = IMAGE", "END;"]) + "\n"

"""RPCs as DIMAP XML (RPC_*.XML of Pleiades, SPOT 6 and 7, Pleiades Neo)."""

from __future__ import annotations

from xml.etree import ElementTree

from georeg.errors import InputError
from georeg.ortho.rpc import COEFFICIENTS, NUMBERS, Rpc

# From ground to image: DIMAP 2 and 3 call it by different names.
_MODELS = ("Inverse_Model", "GroundtoImage_Values")


def looks_so(text: str) -> bool:
    """Whether a text file may be one of these."""
    return "<" in text[:200] and "Rational_Function_Model" in text


def read(text: str, name: str) -> Rpc:
    """From the file's text.

    Pixels are counted from 1 in DIMAP 2; DIMAP 3 says from where.

    Raises:
        InputError: it is incomplete or malformed.
    """
    if "<!ENTITY" in text:  # a bomb, or at least nothing that a vendor would write
        raise InputError(f"{name} can't be read: its XML defines entities")
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise InputError(f"{name} can't be read: {error}") from None
    values = {}
    validity = root.find(".//RFM_Validity")
    model = next((m for m in map(root.find, (f".//{n}" for n in _MODELS)) if m is not None), None)
    for key in NUMBERS:
        found = None if validity is None else validity.findtext(key)
        if found is not None:
            values[key] = found.strip()
    for key in COEFFICIENTS:
        parts = [None if model is None else model.findtext(f"{key}_{k}") for k in range(1, 21)]
        if None not in parts:
            values[key] = " ".join(str(part).strip() for part in parts)
    rpc = Rpc.from_tags(values, name)
    first = root.findtext(".//ImagetoGround_Validity_Domain/FIRST_COL")
    try:
        start = 1.0 if first is None else float(first)
    except ValueError:
        raise InputError(f"{name} has malformed RPCs: FIRST_COL is no number") from None
    return rpc.moved(-start, -start)

"""RPCs as .geom: the keyword lists of OSSIM, and of the Orfeo ToolBox before version 8."""

from __future__ import annotations

from dataclasses import replace

from georeg.errors import InputError
from georeg.ortho.rpc import COEFFICIENTS, NUMBERS, Rpc


def looks_so(text: str) -> bool:
    """Whether a text file may be one of these."""
    lines = text.lower().splitlines()
    return any(line.startswith("type:") for line in lines) and "ossim" in text


def read(text: str, name: str) -> Rpc:
    """From the file's text.

    Raises:
        InputError: it is incomplete or malformed, or its sensor model is another one.
    """
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            values[key.strip().lower()] = value.strip()
    if "line_num_coeff_00" not in values:
        raise InputError(
            f"{name} holds no RPCs but a sensor model of its own ({values.get('type', 'unknown')}),"
            " which georeg doesn't know: get RPCs from the provider"
        )
    order = values.get("polynomial_format", "B").upper()
    if order != "B":
        raise InputError(f"{name} has RPCs in the order RPC00{order}; georeg reads RPC00B only")
    tags = {key: values[key.lower()] for key in NUMBERS if key.lower() in values}
    for key in COEFFICIENTS:
        parts = [values.get(f"{key.lower()}_{k:02d}") for k in range(20)]
        if None not in parts:
            tags[key] = " ".join(map(str, parts))
    tags |= {"ERR_BIAS": values.get("bias_error", ""), "ERR_RAND": values.get("rand_error", "")}
    return _adjusted(Rpc.from_tags(tags, name), values, name)


def _adjusted(rpc: Rpc, values: dict[str, str], name: str) -> Rpc:
    """With OSSIM's own adjustment: offsets and scales go into the RPCs, a rotation can't."""
    current = values.get("current_adjustment", "0")
    moves: dict[str, float] = {}
    for key, text in values.items():
        head, _, last = key.rpartition(".")
        if not head.startswith(f"adjustment_{current}.") or last != "description":
            continue
        try:
            center, sigma, parameter = (
                float(values.get(f"{head}.{part}", "0"))
                for part in ("center", "sigma", "parameter")
            )
        except ValueError:
            raise InputError(f"{name} is malformed: {head} holds no numbers") from None
        moves[text] = center + sigma * parameter
    if moves.get("map_rotation", 0.0) or moves.get("yaw_offset", 0.0):
        raise InputError(f"{name} is adjusted by a rotation, which RPCs can't express")
    return replace(
        rpc,
        line_off=rpc.line_off + moves.get("intrack_offset", 0.0),
        samp_off=rpc.samp_off + moves.get("crtrack_offset", 0.0),
        line_scale=rpc.line_scale + moves.get("intrack_scale", 0.0),
        samp_scale=rpc.samp_scale + moves.get("crtrack_scale", 0.0),
    )

"""What the choices in georeg/radiometry.py are worth, on real pairs of images.

    python benchmarks/radiometry.py [SHARED] [--only bands,sar,dem] [--pairs N] [--output FILE]

SHARED is the folder with data/pairs and data/train (default ../shared). For every pair both images
are brought together by the known truth but for a shift of a few pixels; the built-in matcher
looks for each template within 12 px. A variant is as good as its share of templates whose best
match lies within 1.5 or 3 px of the truth; all variants see the same templates. Pairs without a
truth of their own take an affine fit (RANSAC, 3 px) to the matches of all variants together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from georeg import matching
from georeg.grid import Window
from georeg.matching.protocol import Surfaces, TileBatch
from georeg.pairing.scene import open_scene
from georeg.pairing.views import View
from georeg.radiometry import Radiometry, fit_radiometry
from georeg.raster import Image, Mask, Pixels, Raster
from georeg.settings import Settings

Array = npt.NDArray[np.float64]
Look = Callable[[Raster, str], Any]
Tone = Callable[[Image], Image]

OFFSET = np.array([3.3, -2.6])
RADIUS = 12
SIDE = 512


@dataclass(frozen=True, eq=False)
class Pair:
    """Two views that overlie each other but for OFFSET, and a window on them."""

    group: str
    moving: View
    reference: View
    window: Window
    truth: bool


def crossmodal(shared: Path, most: int) -> list[Pair]:
    """Pairs with a homography; every n-th of each kind, so that it's `most` of it."""
    root = shared / "data/pairs/crossmodal"
    kinds: dict[str, list[Any]] = {}
    for entry in json.loads((root / "index.json").read_text()):
        kinds.setdefault(entry["modality"], []).append(entry)
    pairs = []
    for kind, entries in kinds.items():
        for entry in entries[:: max(1, len(entries) // most)][:most]:
            moving = Raster(str(root / entry["moving"]), nodata=0)
            reference = Raster(str(root / entry["reference"]), nodata=0)
            back = np.linalg.inv(np.array(entry["moving_to_reference"]))
            pairs.append(_pair(kind, moving, reference, back, True))
    return pairs


def sentinel(shared: Path, most: int) -> list[Pair]:
    """Sentinel-1 VH against Sentinel-2, 10 m, registered to some pixels."""
    root = shared / "data/train/s1s2_losangeles"
    names = sorted(root.rglob("*_sar.jpg"))
    pairs = []
    for name in names[:: max(1, len(names) // most)][:most]:
        optical = str(name).replace("_sar", "_optical")
        if os.path.exists(optical):
            pairs.append(_pair("S1-S2", Raster(str(name)), Raster(optical), np.eye(3), False))
    return pairs


def _pair(kind: str, moving: Raster, reference: Raster, back: Array, truth: bool) -> Pair:
    def to_moving(xy: Array) -> Array:
        x = np.column_stack([xy - 0.5 + OFFSET, np.ones(len(xy))]) @ back.T
        return np.asarray(x[:, :2] / x[:, 2:] + 0.5)

    rows, columns = reference.header.shape
    side = min(SIDE, rows, columns)
    window = Window((columns - side) // 2, (rows - side) // 2, side, side)
    blank = Radiometry("optical", (1,), (0.0,), (1.0,), (1.0,))
    return Pair(
        kind,
        View(moving, blank, to_moving),
        View(reference, blank, lambda xy: xy),
        window,
        truth,
    )


def georeferenced(shared: Path, names: Sequence[tuple[str, str, str]], stack: Any) -> list[Pair]:
    """Pairs placed by their headers, cut into windows that share one truth."""
    pairs = []
    for kind, moving, reference in names:
        root = shared / "data/pairs"
        scene = stack.enter_context(
            open_scene(str(root / moving), str(root / reference), Settings())
        )
        grid = scene.frame.grid
        view = scene.moving_view()
        shifted = replace(view, to_source=lambda xy, to=view.to_source: to(xy + OFFSET))
        size = 160  # small enough for templates of 64 px
        down, across = (sorted({0, max(0, n // 2 - 80), n - size}) for n in grid.shape)
        for window in (Window(x, y, size, size) for y in down for x in across):
            pairs.append(Pair(kind, shifted, scene.reference_view(), window, False))
    return pairs


def displacements(pair: Pair, moving_look: Any, reference_look: Any) -> tuple[Array, Array]:
    """(N, 2) centres of templates and (N, 2) displacements, NaN where nothing was found."""
    moving = replace(pair.moving, radiometry=moving_look).look(pair.window)
    reference = replace(pair.reference, radiometry=reference_look).look(pair.window)
    batch = TileBatch(
        moving[0][None],
        moving[1][None],
        reference[0][None],
        reference[1][None],
        RADIUS,
        "refine",
    )
    surfaces = matching.load("structural", matching.protocol.Device()).match(batch)
    if not isinstance(surfaces, Surfaces):
        raise SystemExit("structural gives surfaces")
    n, width = len(surfaces), surfaces.score.shape[-1]
    flat = np.nan_to_num(surfaces.score.reshape(n, -1), nan=-2.0)
    best = flat.argmax(1)
    step = np.stack([best % width, best // width], 1) - surfaces.radius
    return surfaces.center, step * surfaces.step


def shares(
    pairs: Sequence[Pair], variants: Mapping[str, tuple[Look, Look]], modalities: tuple[str, str]
) -> dict[str, dict[str, list[Array]]]:
    """Variant -> group -> shares within 1.5 and 3 px, one row a pair."""
    seen: list[dict[str, tuple[Array, Array]]] = []
    for pair in pairs:
        seen.append({})
        for name, (moving_look, reference_look) in variants.items():
            centers, moved = displacements(
                pair,
                moving_look(pair.moving.raster, modalities[0]),
                reference_look(pair.reference.raster, modalities[1]),
            )
            seen[-1][name] = centers + [pair.window.x, pair.window.y], moved
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    found: dict[str, dict[str, list[Array]]] = {}
    for pair, matches in zip(pairs, seen, strict=True):
        same = [
            m for p, m in zip(pairs, seen, strict=True) if p.moving.raster is pair.moving.raster
        ]
        truth = _exact if pair.truth else _consensus([v for m in same for v in m.values()])
        for name, (centers, moved) in matches.items():
            error = np.hypot(*(moved - truth(centers)).T)
            row = np.array([np.mean(error < limit) if len(error) else 0.0 for limit in (1.5, 3)])
            found.setdefault(name, {}).setdefault(pair.group, []).append(row)
    return found


def _exact(centers: Array) -> Array:
    return np.broadcast_to(OFFSET, centers.shape)


def _consensus(seen: list[tuple[Array, Array]]) -> Callable[[Array], Array]:
    centers = np.concatenate([c for c, _ in seen])
    moved = np.concatenate([d for _, d in seen])
    fitted: tuple[Any, Any] = cv2.estimateAffine2D(
        centers, centers + moved, ransacReprojThreshold=3.0
    )
    matrix = fitted[0]
    if matrix is None:
        return lambda c: np.full_like(c, np.nan)
    return lambda c: c @ matrix[:, :2].T + matrix[:, 2] - c


@dataclass(frozen=True)
class Weighted:
    """Another way from stretched bands to one image: weights that may be negative."""

    base: Radiometry
    weights: tuple[float, ...]

    @property
    def bands(self) -> tuple[int, ...]:
        return self.base.bands

    @property
    def reach(self) -> int:
        return self.base.reach

    def image(self, pixels: Pixels, scale: Any = (1.0, 1.0), blur: float = 1.0) -> Any:
        low = sum(min(w, 0.0) for w in self.weights)
        span = sum(abs(w) for w in self.weights)
        total = np.full(pixels.mask.shape, -low / span, np.float32)
        for k, weight in enumerate(self.weights):
            only = tuple(float(k == i) for i in range(len(self.weights)))
            image, mask = replace(self.base, weights=only).image(pixels, scale, blur)
            total += image * (weight / span)
        total[~mask] = 0
        return total, mask


def mean(raster: Raster, modality: str) -> Any:
    return fit_radiometry(raster, modality)


def luminance(raster: Raster, modality: str) -> Any:
    """ITU-R BT.601."""
    base = fit_radiometry(raster, modality)
    return Weighted(base, (0.299, 0.587, 0.114)) if len(base.bands) == 3 else base


def one_band(raster: Raster, modality: str) -> Any:
    return fit_radiometry(raster, modality, (min(2, raster.header.count),))


def principal(raster: Raster, modality: str) -> Any:
    """First principal component of the stretched bands."""
    base = fit_radiometry(raster, modality)
    if len(base.bands) < 2:
        return base
    rows, columns = raster.header.shape
    pixels = raster.read(Window(0, 0, columns, rows), None, base.bands)
    values = pixels.data[:, pixels.mask]
    low, high = (np.array(v)[:, None] for v in (base.low, base.high))
    unit = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1)
    _, vectors = np.linalg.eigh(np.cov(unit))
    first = vectors[:, -1] * np.sign(vectors[:, -1].sum())
    return Weighted(base, tuple(first.tolist()))


def optical(raster: Raster, _: str) -> Any:
    return fit_radiometry(raster, "optical")


def sar(raster: Raster, _: str) -> Any:
    """What the package does."""
    return fit_radiometry(raster, "sar")


def uncalmed(raster: Raster, _: str) -> Any:
    base = fit_radiometry(raster, "sar")
    if base.echo is None:
        raise SystemExit(f"{raster.name} has no echo")
    return replace(base, echo=replace(base.echo, spread=(0.0,) * len(base.bands)))


@dataclass(frozen=True)
class Filtered:
    """Amplitude through a filter, then a tone curve, stretched between its percentiles."""

    tone: Tone
    filter: Tone
    limits: tuple[float, float]
    bands: tuple[int, ...] = (1,)
    reach: int = 6

    def image(self, pixels: Pixels, scale: Any = (1.0, 1.0), blur: float = 1.0) -> Any:
        low, high = self.limits
        image = (self.tone(self.filter(pixels.data[0])) - low) / (high - low)
        image = np.clip(image, 0, 1).astype(np.float32)
        image[~pixels.mask] = 0
        return image, pixels.mask


def filtered(tone: Tone, before: Tone) -> Look:
    def look(raster: Raster, _: str) -> Any:
        rows, columns = raster.header.shape
        pixels = raster.read(Window(0, 0, columns, rows))
        low, high = np.percentile(tone(pixels.data[0][pixels.mask]), (1, 99))
        return Filtered(tone, before, (float(low), float(high)))

    return look


def as_it_is(image: Image) -> Image:
    return image


def logarithm(image: Image) -> Image:
    return np.log(np.maximum(image, 1.0))


def gaussian(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.float32)


def lee(spread: float) -> Tone:
    """Lee's filter (IEEE TPAMI 2(2), 1980) for multiplicative noise, 5 x 5 pixels."""

    def apply(image: Image) -> Image:
        average = cv2.blur(image, (5, 5))
        variance = np.maximum(cv2.blur(image * image, (5, 5)) - average**2, 1e-9)
        signal = np.maximum(variance - (spread * average) ** 2, 0) / (1 + spread**2)
        return np.asarray(average + signal / variance * (image - average), np.float32)

    return apply


@dataclass(frozen=True)
class Speckled:
    """The same raster with single-look speckle (amplitude: Rayleigh) on top."""

    base: Any

    @property
    def bands(self) -> tuple[int, ...]:
        return tuple(self.base.bands)

    @property
    def reach(self) -> int:
        return 6

    def image(self, pixels: Pixels, scale: Any = (1.0, 1.0), blur: float = 1.0) -> Any:
        rng = np.random.default_rng(pixels.mask.size)
        grain = rng.rayleigh(1 / np.sqrt(np.pi / 2), pixels.data.shape).astype(np.float32)
        base = self.base
        if isinstance(base, Radiometry) and base.echo is not None and any(base.echo.spread):
            spread = tuple(float(np.hypot(SINGLE_LOOK, s)) for s in base.echo.spread)
            base = replace(base, echo=replace(base.echo, spread=spread))
        return base.image(Pixels(pixels.data * grain, pixels.mask), scale, blur)


SINGLE_LOOK = 0.523  # standard deviation of amplitude over its mean


def noisy(look: Look) -> Look:
    return lambda raster, modality: Speckled(look(raster, modality))


@dataclass(frozen=True)
class Steepness:
    """Slope without direction, against its own steep end."""

    base: Radiometry

    @property
    def bands(self) -> tuple[int, ...]:
        return self.base.bands

    @property
    def reach(self) -> int:
        return self.base.reach

    def image(
        self, pixels: Pixels, scale: Any = (1.0, 1.0), blur: float = 1.0
    ) -> tuple[Image, Mask]:
        from georeg.imagery.hillshade import slopes

        matrix = np.array(self.base.to_ground).reshape(2, 2) / np.array(scale)
        east, north, mask = slopes(pixels.data[0], pixels.mask, matrix)
        image = np.clip(np.hypot(east, north) / 1.5, 0, 1).astype(np.float32)
        image[~mask] = 0
        return image, mask


def relief(raster: Raster, modality: str, exaggerate: float = 1.0) -> Any:
    base = fit_radiometry(raster, "dem")
    return replace(base, to_ground=tuple(exaggerate * v for v in base.to_ground))


def table(title: str, found: dict[str, dict[str, list[Array]]]) -> str:
    groups = sorted({g for row in found.values() for g in row})
    count = {g: len(next(iter(found.values()))[g]) for g in groups}
    head = " | ".join(f"{g} ({count[g]})" for g in groups)
    lines = [f"### {title}", "", f"| variant | {head} | all ({sum(count.values())}) |"]
    lines.append("|---|" + "---|" * (len(groups) + 1))
    for name, row in found.items():
        cells = [np.mean(row[g], axis=0) for g in groups]
        cells.append(np.mean(np.concatenate([row[g] for g in groups]), axis=0))
        text = " | ".join(f"{100 * a:.1f} / {100 * b:.1f}" for a, b in cells)
        lines.append(f"| {name} | {text} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    from contextlib import ExitStack

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("shared", nargs="?", type=Path, default=Path("../shared"))
    parser.add_argument("--only", default="bands,sar,dem")
    parser.add_argument("--pairs", type=int, default=5, help="most pairs of a kind")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    parts, began = [], time.perf_counter()
    with ExitStack() as stack:
        if "bands" in options.only:
            pairs = crossmodal(options.shared, options.pairs)
            looks: dict[str, Look] = {
                "**mean of bands**": mean,
                "luminance": luminance,
                "first principal component": principal,
                "second band only": one_band,
            }
            variants: dict[str, tuple[Look, Look]] = {
                name: (look, look) for name, look in looks.items()
            }
            found = shares(pairs, variants, ("auto", "auto"))
            parts.append(table("Several optical bands to one image", found))
        if "sar" in options.only:
            pairs = sentinel(options.shared, 2 * options.pairs)
            multi = {
                "amplitude": optical,
                "amplitude, Gaussian 1 px": filtered(as_it_is, gaussian),
                "amplitude, Lee": filtered(as_it_is, lee(0.2)),
                "logarithm": filtered(logarithm, as_it_is),
                "logarithm, Gaussian 1 px": filtered(logarithm, gaussian),
                "logarithm, Lee": filtered(logarithm, lee(0.2)),
                "log(1 + intensity / 4 medians)": uncalmed,
                "**the same, calmed as needed**": sar,
            }
            single = {**multi, "amplitude, Lee": filtered(as_it_is, lee(0.55))}
            single["logarithm, Lee"] = filtered(logarithm, lee(0.55))
            variants = {name: (look, optical) for name, look in multi.items()}
            variants |= {f"single look: {n}": (noisy(k), optical) for n, k in single.items()}
            found = shares(pairs, variants, ("sar", "optical"))
            parts.append(table("SAR against optical", found))
        if "dem" in options.only:
            names = [
                ("RMNP DEM - RGB", "rmnp/dem.tif", "rmnp/rgb.tif"),
                (
                    "SRTM - blurred",
                    "srtm_dem/srtm_blurred_and_shifted.tif",
                    "srtm_dem/srtm_ref.tif",
                ),
            ]
            pairs = georeferenced(options.shared, names, stack)
            looks = {
                "heights": optical,
                "**hillshade, 90 % of slopes below 45 degrees**": relief,
                "hillshade, a third of that": lambda r, m: relief(r, m, 1 / 3),
                "hillshade, three times that": lambda r, m: relief(r, m, 3.0),
                "slope": lambda r, m: Steepness(relief(r, m)),
            }

            def both(look: Look) -> Look:
                return lambda r, m: optical(r, m) if r.header.count > 1 else look(r, m)

            variants = {name: (both(look), both(look)) for name, look in looks.items()}
            found = shares(pairs, variants, ("dem", "dem"))
            parts.append(table("DEM", found))
    seconds = time.perf_counter() - began
    parts.append(f"{seconds:.0f} s on {os.cpu_count()} cores ({platform.machine()}).\n")
    text = "\n".join(parts)
    print(text)
    if options.output:
        with suppress(FileExistsError):
            options.output.parent.mkdir(parents=True)
        options.output.write_text(text)


if __name__ == "__main__":
    main()

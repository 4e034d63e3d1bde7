"""Orthoimages: exactness and cost against GDAL, and biases recovered on real Pleiades images.

    python benchmarks/ortho.py --sizes 4000 8000 --runs 3

Cost: `georeg ortho` and `gdalwarp -rpc -to RPC_DEM=...` as whole processes in turn on the same
machine, same grid, cubic, COG. Needs gdalwarp on the PATH; the real images are looked for under
GEOREG_SHARED. Writes benchmarks/results/ortho.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from align_cost import run
from rasterio.transform import RPCTransformer

from georeg import __version__, transforms
from georeg.ortho.bias import absorb
from georeg.ortho.orthorectify import orthorectify
from georeg.ortho.rpc import Rpc
from georeg.ortho.rpcfiles import need_rpc, rpc_tags
from georeg.ortho.vertical import find_grid
from georeg.raster import Raster
from georeg.settings import OrthoSettings, OutputSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from ortho_cases import EAST, NORTH, UTM, gdal_rpc, rpc_of, save

RESULTS = Path(__file__).parent / "results"
REAL = Path(os.environ.get("GEOREG_SHARED", "/nowhere")) / "data" / "pairs"
GSD = 0.5


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns in a process of its own.

    A program's peak memory can't be told below that of the process that started it.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def volume(rpc: Rpc, count: int) -> tuple[Any, Any]:
    """Places all over the volume of RPCs."""
    u = np.random.default_rng(0).uniform(-1, 1, (count, 3))
    at = u * [rpc.long_scale, rpc.lat_scale, rpc.height_scale]
    at += [rpc.long_off, rpc.lat_off, rpc.height_off]
    return at[:, :2], at[:, 2]


def exactness() -> list[dict[str, Any]]:
    """Projection and inverse against GDAL's transformer."""
    models = {"synthetic": rpc_of()}
    for name in ("img_01", "img_02"):
        path = REAL / "pleiades_reunion" / f"{name}.tif"
        if path.exists():
            with Raster(str(path)) as raster:
                models[f"reunion {name}"] = Rpc.from_tags(rpc_tags(raster), name)
    geom = REAL / "pleiades_ventoux" / "rpc" / "right_image.geom"
    if geom.exists():
        with Raster(str(geom.parents[1] / "right_image.tif")) as raster:
            models["ventoux right"] = need_rpc(raster, str(geom)).rpc
    rows = []
    exact = {"RPC_PIXEL_ERROR_THRESHOLD": "1e-9", "RPC_MAX_ITERATIONS": "200"}
    for name, rpc in models.items():
        lonlat, height = volume(rpc, 20_000)
        xy = rpc.project(lonlat, height)
        with RPCTransformer(gdal_rpc(rpc), **exact) as gdal:
            y, x = gdal.rowcol(*lonlat.T, zs=height, op=float)
            lon, lat = gdal.xy(xy[:, 1], xy[:, 0], zs=height, offset="ul")
        back = rpc.locate(xy, height)
        rows.append(
            {
                "rpc": name,
                "px": float(np.abs(xy - np.stack([x, y], axis=1)).max()),
                "degrees": float(np.abs(back - np.stack([lon, lat], axis=1)).max()),
            }
        )
    return rows


# Every position exact, and no source window cut short at a wall.
EXACT = ("-et", "0", "-wo", "SOURCE_EXTRA=200")


def gdalwarp(
    image: str, dem: str, like: Path, out: Path, kernel: str = "cubic", more: Sequence[str] = ()
) -> list[str]:
    """The command for the same grid."""
    with rasterio.open(like) as file:
        bounds, size, crs = file.bounds, file.res, file.crs.to_string()
    return [
        "gdalwarp", "-q", "-overwrite", "-rpc", "-to", f"RPC_DEM={dem}", "-r", kernel, *more,
        "-of", "COG",
        "-multi", "-wo", "NUM_THREADS=ALL_CPUS", "-co", "NUM_THREADS=ALL_CPUS",
        "-co", "BIGTIFF=IF_SAFER", "-te", *map(str, bounds), "-tr", *map(str, size), "-t_srs", crs,
        "-dstnodata", "0", image, str(out),
    ]  # fmt: skip


def ortho(image: str, dem: str, out: Path, *args: str) -> list[str]:
    """Our command."""
    return [
        sys.executable, "-m", "georeg", "ortho", image, "--dem", dem, "--dem-datum", "ellipsoid",
        "-o", str(out), "--overwrite", "-qq", *args,
    ]  # fmt: skip


def equality(folder: Path) -> list[dict[str, Any]]:
    """Our orthoimage of a real pair against gdalwarp's, pixel by pixel."""
    source = REAL / "pleiades_reunion"
    if not source.exists():
        return []
    image, dem = str(source / "img_02.tif"), str(source / "dsm.tif")
    rows = []
    for kernel in ("bilinear", "cubic"):
        ours, theirs = folder / "ours.tif", folder / "theirs.tif"
        subprocess.run(ortho(image, dem, ours, "--dem-voids", "mask", "-r", kernel), check=True)
        command = gdalwarp(image, dem, ours, theirs, kernel, EXACT)
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with rasterio.open(ours) as one, rasterio.open(theirs) as two:
            a, b = one.read(1).astype(float), two.read(1).astype(float)
            both = (one.dataset_mask() > 0) & (b > 0)
        slope = np.hypot(*np.gradient(b))[both]
        apart = np.abs(a - b)[both]
        rows.append(
            {
                "kernel": kernel,
                "pixels": int(both.sum()),
                "rms_dn": float(np.sqrt((apart**2).mean())),
                "rms_px": float(np.sqrt((apart**2).mean() / (slope**2).mean())),
                "share_above_1_dn": float((apart > 1).mean()),
                "largest_dn": float(apart.max()),
            }
        )
    return rows


def scene(folder: Path, size: int, kind: str) -> tuple[str, str]:
    """An image of `size` pixels of 0.5 m with RPCs, and the ground under it."""
    rng = np.random.default_rng(0)
    rpc = rpc_of(size, GSD, (0.7, -0.3))
    image, dem = folder / f"image_{size}.tif", folder / f"{kind}_{size}.tif"
    if not image.exists():
        noise = cv2.GaussianBlur(rng.normal(size=(2048, 2048)).astype(np.float32), (0, 0), 1.5)
        tile = ((noise - noise.min()) / np.ptp(noise) * 3000 + 100).astype(np.uint16)
        times = -(-size // 2048)
        save(image, np.tile(tile, (times, times))[:size, :size], rpc, tiled=True, blockxsize=512,
             blockysize=512, compress="deflate", predictor=2)  # fmt: skip
    if not dem.exists():
        step = {"30 m DEM": 30.0, "1 m surface model": 1.0}[kind]
        n = int((size * GSD + 800) / step)
        coarse = rng.normal(size=(n // 40 + 4, n // 40 + 4)).astype(np.float32) * 60
        height: Any = cv2.resize(coarse, (n, n), interpolation=cv2.INTER_CUBIC) + 600
        if step == 1.0:
            for _ in range(n * n // 2500):
                y, x = rng.integers(0, n - 30, 2)
                part = np.s_[y : y + rng.integers(6, 25), x : x + rng.integers(6, 25)]
                height[part] += rng.uniform(3, 15)
        else:
            height += rng.normal(0, 4, height.shape)
        reach = n * step / 2
        place = Affine(step, 0, EAST - reach, 0, -step, NORTH + reach)
        save(dem, height.astype(np.float32), crs=UTM.to_wkt(), transform=place, tiled=True,
             compress="deflate", predictor=3)  # fmt: skip
    return str(image), str(dem)


def cost(folder: Path, size: int, kind: str, runs: int) -> dict[str, Any]:
    """Both programs, in turn."""
    image, dem = in_own_process(scene, folder, size, kind)
    ours, theirs = folder / "ours.tif", folder / "theirs.tif"
    both: dict[str, list[dict[str, float]]] = {"georeg": [], "gdalwarp": []}
    for _ in range(runs):
        both["georeg"].append(run(ortho(image, dem, ours)))
        both["gdalwarp"].append(run(gdalwarp(image, dem, ours, theirs)))
    row: dict[str, Any] = {"size": size, "ground": kind}
    for name, found in both.items():
        for key in ("wall", "cpu", "mb"):
            row[f"{name}_{key}"] = round(median(f[key] for f in found), 1)
    exact = folder / "exact.tif"
    subprocess.run(gdalwarp(image, dem, ours, exact, more=EXACT), check=True)
    window = rasterio.windows.Window(size // 3, size // 3, 1000, 1000)
    with rasterio.open(exact) as file:
        truth = file.read(1, window=window).astype(float)
    slope = np.hypot(*np.gradient(truth))
    for name, path in (("georeg", ours), ("gdalwarp", theirs)):
        with rasterio.open(path) as file:
            apart = file.read(1, window=window).astype(float) - truth
        row[f"{name}_rms_px"] = float(np.sqrt((apart**2).mean() / (slope**2).mean()))
    return row


def ventoux(folder: Path) -> dict[str, Any] | None:
    """60 lines in the RPCs of one view, by the orthoimage of the other, over SRTM (90 m)."""
    source = REAL / "pleiades_ventoux"
    if not source.exists():
        return None
    datum = "egm96" if find_grid("egm96") else "ellipsoid"
    wanted = OrthoSettings(dem=str(source / "srtm_utm31.tif"), dem_datum=datum)
    left = replace(wanted, rpc=str(source / "rpc" / "left_image.geom"))
    reference = str(folder / "left.tif")
    again = OutputSettings(overwrite=True)
    orthorectify(str(source / "left_image.tif"), reference, left, output_settings=again)
    found: dict[str, Any] = {"datum": datum}
    for name in ("right_image", "right_image_bias"):
        right = replace(wanted, rpc=str(source / "rpc" / f"{name}.geom"))
        image = str(source / "right_image.tif")
        result = orthorectify(image, None, right, reference=reference)
        ties = result.report["accuracy"]["tie_points"]
        found[name] = {
            "line_off": result.rpc.line_off,
            "samp_off": result.rpc.samp_off,
            "samp_px": result.report["bias"]["samp_px"],
            "line_px": result.report["bias"]["line_px"],
            "left_out_rmse_px": ties["left_out"]["rmse_px"],
            "left_out_rmse_m": ties["left_out"]["rmse_m"],
            "tie_points": ties["count"],
            "ok": result.ok,
        }
    one, two = found["right_image"], found["right_image_bias"]
    found["apart_px"] = float(
        np.hypot(one["line_off"] - two["line_off"], one["samp_off"] - two["samp_off"])
    )
    return found


def reunion(folder: Path) -> list[dict[str, Any]]:
    """Known biases put into the RPCs of one view, by the orthoimage of the other, over a DSM."""
    source = REAL / "pleiades_reunion"
    if not source.exists():
        return []
    wanted = OrthoSettings(dem=str(source / "dsm.tif"))
    reference = str(folder / "first.tif")
    again = OutputSettings(overwrite=True)
    orthorectify(str(source / "img_01.tif"), reference, wanted, output_settings=again)
    with Raster(str(source / "img_02.tif")) as raster:
        own, shape = need_rpc(raster).rpc, raster.header.shape
    put = {
        "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "(12, -9) px": [[1, 0, 12], [0, 1, -9], [0, 0, 1]],
        "(12, -9) px, drift 3, 4 px per 1000 lines": [[1, 0.003, 12], [0, 1.004, -9], [0, 0, 1]],
        "(-35, 28) px": [[1, 0, -35], [0, 1, 28], [0, 0, 1]],
    }
    x, y = np.meshgrid(np.linspace(0, shape[1], 9), np.linspace(0, shape[0], 9))
    height = np.full(x.size, 2300.0)
    lonlat = own.locate(np.stack([x.ravel(), y.ravel()], axis=1), height)
    rows: list[dict[str, Any]] = []
    first = None
    for name, matrix in put.items():
        bias = transforms.from_dict({"name": "affine", "matrix": matrix})
        image = folder / "biased.tif"
        with rasterio.open(source / "img_02.tif") as file:
            save(image, file.read(), absorb(own, bias)[0])
        result = orthorectify(str(image), None, wanted, reference=reference)
        pixel = result.rpc.project(lonlat, height)
        first = pixel if first is None else first
        ties = result.report["accuracy"]["tie_points"]
        rows.append(
            {
                "put": name,
                "model": result.report["bias"]["model"],
                "largest_px_from_unbiased": float(np.hypot(*(pixel - first).T).max()),
                "left_out_rmse_px": ties["left_out"]["rmse_px"],
                "before_rmse_px": ties["before"]["rmse_px"],
                "ok": result.ok,
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown."""
    keys = list(rows[0])
    lines = ["| " + " | ".join(k.replace("_", " ") for k in keys) + " |", "|---" * len(keys) + "|"]
    for row in rows:
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[4000, 8000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only-cost", action="store_true", help="Keep the other results.")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "georeg-ortho")
    args = parser.parse_args()
    if shutil.which("gdalwarp") is None:
        raise SystemExit("gdalwarp isn't on the PATH (Debian: apt install gdal-bin)")
    args.folder.mkdir(exist_ok=True)
    version = subprocess.run(["gdalwarp", "--version"], capture_output=True, text=True, check=True)
    stored = RESULTS / "ortho.json"
    data: dict[str, Any] = json.loads(stored.read_text()) if args.only_cost else {}
    if not args.only_cost:
        data["exactness"] = in_own_process(exactness)
        for part in (equality, ventoux, reunion):
            data[part.__name__] = in_own_process(part, args.folder)
    data["cost"], load = [], [os.getloadavg()[0]]
    for kind in ("30 m DEM", "1 m surface model"):
        for size in args.sizes:
            data["cost"].append(cost(args.folder, size, kind, args.runs))
            print(json.dumps(data["cost"][-1]), flush=True)
    load.append(os.getloadavg()[0])
    data["load"] = load
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    gdal, sizes = version.stdout.split(",")[0], " ".join(map(str, args.sizes))
    lines = [
        "# `georeg ortho` against GDAL, and biases recovered", "",
        f"`python benchmarks/ortho.py --sizes {sizes} --runs {args.runs}`: "
        f"{machine}, georeg {__version__}, gdalwarp of {gdal}, transformer of GDAL "
        f"{rasterio.__gdal_version__} (rasterio).", "",
        "## The RPC model against GDAL's transformer", "",
        "Largest differences at 20 000 places all over the volume of the RPCs.", "",
        *table(data["exactness"]),
    ]  # fmt: skip
    if data["equality"]:
        lines += [
            "## An orthoimage against gdalwarp's", "",
            "pleiades_reunion, second image over its 0.5 m DSM, voids masked, same grid, gdalwarp "
            f"with `{' '.join(EXACT)}`; rms px is the rms difference over the rms slope of the "
            "grey values.", "",
            *table(data["equality"]),
        ]  # fmt: skip
    lines += [
        "## Cost", "",
        f"Medians of {args.runs} whole processes in turn: uint16, cubic, COG, the same grid, two "
        "threads; image of so many pixels a side, 0.5 m each. CPU seconds are the figure to "
        f"compare where other programs share the machine (load average {load[0]:.1f} before, "
        f"{load[1]:.1f} after). rms px: difference in the middle from gdalwarp with "
        f"`{' '.join(EXACT)}`, over the slope of the grey values; gdalwarp as it comes "
        "approximates positions along lines, and cuts source windows short at walls.", "",
        *(table(data["cost"]) if data["cost"] else []),
    ]  # fmt: skip
    if data["ventoux"]:
        v = data["ventoux"]
        one, two = v["right_image"], v["right_image_bias"]
        lines += [
            "## pleiades_ventoux: 60 lines of bias", "",
            f"Right view matched to the orthoimage of the left one (500 px crops that share about "
            f"400 x 180 px), SRTM of 90 m, {v['datum']}. The bias found is ({one['samp_px']:.2f}, "
            f"{one['line_px']:.2f}) px with the vendor's RPCs and ({two['samp_px']:.2f}, "
            f"{two['line_px']:.2f}) px with those that are off by 60 lines: **{v['apart_px']:.2f} "
            f"px apart**. The floor: what SRTM has wrong of the relief leaves "
            f"{one['left_out_rmse_px']:.1f} px ({one['left_out_rmse_m']:.1f} m) RMSE at tie points "
            "left out, and that much is uncertain in the orthoimage wherever the two views look "
            "at the ground from different sides.", "",
        ]  # fmt: skip
    if data["reunion"]:
        lines += [
            "## pleiades_reunion: known biases", "",
            "Second image matched to the orthoimage of the first one over the 0.5 m DSM; biases "
            "were put into its RPCs. The vendor's RPCs of the two disagree by (0.7, 0.1) px "
            "(`none`), so the others are compared with what is found there.", "",
            *table(data["reunion"]),
        ]  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ortho.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    (RESULTS / "ortho.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from georeg.errors import InputError, OutputError, SettingsError
from georeg.raster import Raster
from georeg.writers.geotiff import WriteOptions, shift_only, write_warped
from georeg.writers.place import check_output, placed
from warp_cases import AT, entries, grid, save, shift, texture


@pytest.fixture
def source(tmp_path):
    return save(tmp_path / "in.tif", texture(700, 700).astype("uint8"))


def produce(source, output, **options):
    with Raster(str(source)) as raster:
        write_warped(
            raster, grid(650, 650), shift(3.5, 4.5), str(output), options=WriteOptions(**options)
        )


def test_existing_output_is_kept_unless_asked(tmp_path, source):
    output = tmp_path / "a.tif"
    output.write_text("precious")
    with pytest.raises(SettingsError, match="exists"):
        produce(source, output)
    assert output.read_text() == "precious"
    produce(source, output, overwrite=True)
    with rasterio.open(output) as dataset:
        assert dataset.shape == (650, 650)
    assert entries(tmp_path) == ["a.tif", "in.tif"]


def test_failing_keeps_what_was_there(tmp_path, source):
    output = tmp_path / "a.tif"
    output.write_text("precious")

    def stop(_):
        raise KeyboardInterrupt

    with Raster(source) as raster, pytest.raises(KeyboardInterrupt):
        shift_only(raster, str(output), AT, WriteOptions(overwrite=True), progress=stop)
    assert output.read_text() == "precious"
    assert entries(tmp_path) == ["a.tif", "in.tif"]


def test_inputs_are_never_overwritten(tmp_path, source):
    before = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "link.tif").symlink_to(source)
    os.link(source, tmp_path / "hard.tif")
    (tmp_path / "sub").mkdir()
    for name in ("in.tif", "link.tif", "hard.tif", "sub/../in.tif"):
        with pytest.raises(SettingsError, match="is the input"):
            produce(source, tmp_path / name, overwrite=True)
    assert (tmp_path / "in.tif").read_bytes() == before
    reference = save(tmp_path / "reference.tif", texture(50, 50).astype("uint8"))
    with Raster(source) as raster, pytest.raises(SettingsError, match=r"reference\.tif"):
        shift_only(raster, reference, AT, WriteOptions(overwrite=True), inputs=(reference,))


def test_files_behind_an_input_are_never_overwritten(tmp_path, source):
    before = (tmp_path / "in.tif").read_bytes()
    vrt = str(tmp_path / "in.vrt")
    rasterio.shutil.copy(source, vrt, driver="VRT")
    with pytest.raises(SettingsError, match=r"is the input .*in\.tif"):
        produce(vrt, source, overwrite=True)
    assert (tmp_path / "in.tif").read_bytes() == before


@pytest.mark.parametrize("there", [True, False])
def test_links_stay_links(tmp_path, source, there):
    """What they point to is replaced, on its own disk, as by other programs."""
    disk, here = tmp_path / "disk", tmp_path / "here"
    disk.mkdir()
    here.mkdir()
    target, link = disk / "a.tif", here / "latest.tif"
    link.symlink_to(target)
    if there:
        target.write_text("old")
    for name in ("here/latest.tif.aux.xml", "disk/a.tif.aux.xml"):
        (tmp_path / name).write_text("old")
    with pytest.raises(SettingsError, match=r"latest\.tif exists"):
        produce(source, link)
    produce(source, link, overwrite=True)
    assert link.is_symlink()
    assert entries(here) == ["latest.tif"]
    assert entries(disk) == ["a.tif"]
    with rasterio.open(target) as dataset:
        assert dataset.shape == (650, 650)


def test_a_crs_beside_a_link(tmp_path):
    """GDAL looks for it beside the name that it is given."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest.tif").symlink_to(tmp_path / "disk" / "a.tif")
    with placed(str(tmp_path / "latest.tif"), overwrite=True) as (folder, path):
        assert os.path.dirname(folder) == str(tmp_path / "disk")
        for suffix in ("", ".aux.xml"):
            with open(path + suffix, "w") as file:
                file.write("x")
    assert entries(tmp_path) == ["disk", "latest.tif", "latest.tif.aux.xml"]
    assert entries(tmp_path / "disk") == ["a.tif", "a.tif.aux.xml"]


def test_somebody_else_was_faster(tmp_path):
    """Two runs at the same time: the later one replaced what the other had written."""
    output = tmp_path / "a.tif"

    def late():
        with placed(str(output)) as (_, path):
            for name, text in ((path, "late"), (output, "early")):
                with open(name, "w") as file:
                    file.write(text)

    with pytest.raises(SettingsError, match="exists"):
        late()
    assert output.read_text() == "early"
    assert entries(tmp_path) == ["a.tif"]


def test_a_name_that_is_too_long(tmp_path):
    """That was found out after all the work."""
    with pytest.raises(OutputError, match="File name too long"):
        check_output(str(tmp_path / ("a" * 252 + ".tif")))
    check_output(str(tmp_path / ("a" * 251 + ".tif")))


def test_sidecars_of_a_predecessor_go(tmp_path, source):
    output = tmp_path / "a.tif"
    for name in ("a.tif", "a.tif.aux.xml", "a.tif.ovr", "a.tif.msk", "b.tif.aux.xml"):
        (tmp_path / name).write_text("old")
    produce(source, output, overwrite=True)
    assert entries(tmp_path) == ["a.tif", "b.tif.aux.xml", "in.tif"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/a.tif", "there is no folder"),
        ("folder", "it is a folder"),
        ("in.tif/a.tif", "there is no folder"),
    ],
)
def test_impossible_places(tmp_path, source, name, message):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=message) as caught:
        produce(source, tmp_path / name, overwrite=True)
    assert "\n" not in str(caught.value)
    assert entries(tmp_path) == ["folder", "in.tif"]


def test_folder_without_permission(tmp_path, source, monkeypatch):
    # Root may write anywhere, so the system is made to say no.
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission"):
        check_output(str(tmp_path / "a.tif"))


def test_relative_names(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    produce("in.tif", "a.tif")
    assert entries(tmp_path) == ["a.tif", "in.tif"]


def test_work_is_done_in_a_hidden_folder_beside(tmp_path):
    with placed(str(tmp_path / "a.tif")) as (folder, path):
        assert os.path.dirname(folder) == str(tmp_path)
        assert os.path.basename(folder).startswith(".georeg-")
        assert path.endswith(".tif")
        with open(path, "w") as file:
            file.write("x")
    assert entries(tmp_path) == ["a.tif"]


def test_file_permissions_follow_the_umask(tmp_path, source):
    old = os.umask(0o027)
    try:
        produce(source, tmp_path / "a.tif")
    finally:
        os.umask(old)
    assert (tmp_path / "a.tif").stat().st_mode & 0o777 == 0o640


def test_permissions_of_what_is_replaced_stay(tmp_path, source):
    output = tmp_path / "a.tif"
    for mode in (0o600, 0o664):
        output.touch()
        output.chmod(mode)
        produce(source, output, overwrite=True)
        assert output.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_what_is_replaced_stays(tmp_path, source):
    output = tmp_path / "a.tif"
    output.touch()
    os.chown(output, 4321, 1234)
    produce(source, output, overwrite=True)
    assert (output.stat().st_uid, output.stat().st_gid) == (4321, 1234)


def test_a_folder_that_is_removed_meanwhile(tmp_path, source):
    (tmp_path / "out").mkdir()

    def remove(_):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)

    with Raster(source) as raster, pytest.raises(OutputError, match="its folder was removed"):
        shift_only(raster, str(tmp_path / "out" / "a.tif"), AT, progress=remove)
    assert entries(tmp_path) == ["in.tif"]


def test_an_input_that_grows_meanwhile(tmp_path, source):
    """It came over the network: the output's blocks were of two files."""

    def grow(_):
        with open(source, "ab") as file:
            file.write(b"more")

    with Raster(source) as raster, pytest.raises(InputError, match="changed while it was read"):
        shift_only(raster, str(tmp_path / "a.tif"), AT, progress=grow)
    assert entries(tmp_path) == ["in.tif"]


def test_an_input_that_is_written_to_meanwhile(tmp_path, source, caplog):
    with Raster(source) as raster:
        shift_only(raster, str(tmp_path / "a.tif"), AT, progress=lambda _: os.utime(source, (9, 9)))
    assert [record.message for record in caplog.records] == [
        f"{source} was written to while it was read: if pixels changed, run again"
    ]


# Outputs that only GDAL can reach


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_output_in_gdals_memory(tmp_path, source, driver, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    output = f"/vsimem/georeg-test/{driver}.tif"
    produce(source, output, driver=driver)
    produce(source, tmp_path / "local.tif", driver=driver)
    try:
        with rasterio.open(output) as there, rasterio.open(tmp_path / "local.tif") as here:
            assert np.array_equal(there.read(), here.read())
            assert there.overviews(1) == here.overviews(1)
        with pytest.raises(SettingsError, match="exists"):
            produce(source, output, driver=driver)
        produce(source, output, driver=driver, overwrite=True)
    finally:
        rasterio.shutil.delete(output)
    assert entries(tmp_path) == ["in.tif", "local.tif"]


def test_unreachable_output(tmp_path, source, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = f"/vsitar/{tmp_path}/in.tif/a.tif"  # GDAL can't write into these
    with pytest.raises(OutputError, match="/vsitar/") as caught:
        produce(source, name)
    assert "\n" not in str(caught.value)
    assert entries(tmp_path) == ["in.tif"]


# Disks that fill up

SCRIPT = """
import json, os, resource, sys
from affine import Affine
from georeg.errors import OutputError
from georeg.raster import Raster
from georeg.writers.geotiff import WriteOptions, shift_only
# Python would leave a part of a module's bytecode behind, where the next process finds it.
sys.dont_write_bytecode = True

def write(source, output, driver, compress, limit):
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        with Raster(source) as raster:
            options = WriteOptions(driver, {"COMPRESS": compress}, overwrite=True)
            shift_only(raster, output, Affine(1, 0, 0, 0, -1, 0), options)
    except OutputError as error:
        return 9, str(error)
    return 0, ""

for line in sys.stdin:
    job = json.loads(line)
    ours, theirs = os.pipe()
    if not (pid := os.fork()):  # each in a process of its own, but nothing is imported twice
        os.write(theirs, json.dumps(write(*job)).encode())
        sys.exit()
    os.close(theirs)
    if os.waitpid(pid, 0)[1]:
        sys.exit("a process died")
    with open(ours) as pipe:
        code, said = json.load(pipe)
    left = sorted(os.listdir(os.path.dirname(job[1])))
    print(json.dumps([code, said, left]), flush=True)
"""


@pytest.fixture(scope="module")
def writer():
    """A program that writes as it is told, each time in a process of its own."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=pipe, stdout=pipe, text=True) as it:
        yield it
        it.stdin.close()
        assert it.wait(60) == 0


def fill(writer, source, output, driver, compress, *limits):
    """Write under each limit of a file's bytes (0: none): exit code, message, what lies there."""
    done = []
    for limit in limits:
        print(json.dumps([str(source), str(output), driver, compress, limit]), file=writer.stdin,
              flush=True)  # fmt: skip
        done.append(json.loads(writer.stdout.readline()))
    return done


def noise(folder, side=2000):
    values = np.random.default_rng(0).integers(0, 255, (2, side, side)).astype("uint8")
    return save(folder / "noise.tif", values)


CASES = [("COG", "DEFLATE"), ("COG", "NONE"), ("GTiff", "DEFLATE"), ("GTiff", "NONE")]


@pytest.mark.parametrize(("driver", "compress"), CASES)
def test_file_size_limit(writer, tmp_path, driver, compress):
    source = noise(tmp_path, 1100)  # of several blocks and, as a COG, with overviews
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "a.tif"
    assert fill(writer, source, path, driver, compress, 0) == [[0, "", ["a.tif"]]]
    size = path.stat().st_size
    path.unlink()
    # From nothing at all to the last bytes.
    limits = (1, 20_000, size // 3, size * 9 // 10, size - 50_000, size - 1)
    done = fill(writer, source, path, driver, compress, *limits)
    for limit, (code, said, left) in zip(limits, done, strict=True):
        assert code == 9, (limit, said)
        assert "\n" not in said
        assert "can't be written" in said or "incomplete" in said
        if limit <= size // 3:  # GDAL takes a COG away that doesn't fit, and with it the evidence
            assert "File too large" in said
        assert left == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 7 MB, where the tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(("driver", "compress"), CASES)
def test_disk_full(writer, tmp_path, small_disk, driver, compress):
    source = noise(tmp_path)
    (small_disk / "other").write_text("kept")
    ((code, said, left),) = fill(writer, source, small_disk / "a.tif", driver, compress, 0)
    assert code == 9, said
    assert "\n" not in said
    assert "can't be written" in said or "incomplete" in said
    assert "MB left" in said
    assert left == entries(small_disk) == ["other"]

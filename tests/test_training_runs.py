"""Training: loss goes down, runs go on where they were left, several processes are one."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from georeg.errors import InputError, OutputError, SettingsError
from georeg.models import layouts
from georeg.training import running, trainees, trainer
from georeg.training.config import Recipe, TrainConfig, read_recipe, recipe_path
from georeg.training.dataset import Dataset
from georeg.training.folders import alone
from georeg.training.fresh import Fresh
from georeg.training.journal import Journal, entries
from georeg.training.making import make_dataset, prepared
from georeg.training.running import run as run_recipe
from georeg.training.samples import Sampler
from georeg.training.sources import CITY, Source
from georeg.training.trainer import train
from training_cases import city, config

SMALL = {"matcher": "embedded", "steps": 4, "batch": 2, "warm_up": 2, "crop": 96, "seed": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return city(tmp_path_factory.mktemp("data"), count=8)


def run(
    data: Dataset, folder: Path, until: int | None = None, **changes: object
) -> torch.nn.Module:
    settings = TrainConfig(**{**SMALL, **changes})  # type: ignore[arg-type]
    trainee, _ = train(
        settings, lambda seed: Sampler([data], seed, crop=settings.crop), str(folder), {},
        keep=2, until=until,
    )  # fmt: skip
    return trainee.net


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_a_run_goes_on_where_it_was_left(data: Dataset, tmp_path: Path) -> None:
    whole = run(data, tmp_path / "whole")
    run(data, tmp_path / "part", until=2)
    assert len(entries(str(tmp_path / "part"))) == 1
    parts = run(data, tmp_path / "part")
    assert (weights(whole) == weights(parts)).all()
    assert [line["step"] for line in entries(str(tmp_path / "part"))] == [2, 4]


def test_what_a_loss_draws_is_the_same_after_a_stop(data: Dataset, tmp_path: Path) -> None:
    """LoFTR's draws the cells that it places finely."""
    torch.manual_seed(1)
    start = trainees.kind("minima_loftr")({}, {}, torch.device("cpu")).state()

    def trained(folder: Path, until: int | None = None) -> torch.Tensor:
        settings = TrainConfig(**{**SMALL, "matcher": "minima_loftr", "steps": 2, "batch": 1})  # type: ignore[arg-type]
        trainee, _ = train(
            settings, lambda seed: Sampler([data], seed, crop=96, shift=4.0), str(folder),
            {"loftr": {k: v.clone() for k, v in start.items()}}, keep=1, until=until,
        )  # fmt: skip
        return weights(trainee.net)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several add up in any order
    try:
        whole = trained(tmp_path / "whole")
        trained(tmp_path / "part", until=1)
        assert (trained(tmp_path / "part") == whole).all()
    finally:
        torch.set_num_threads(threads)


def test_a_run_goes_on_where_gradients_are_scaled(data: Dataset, tmp_path: Path) -> None:
    """In float16 a GPU scales them, a CPU doesn't: its checkpoints know nothing of it."""
    settings = TrainConfig(**{**SMALL, "precision": "float16"})  # type: ignore[arg-type]
    team = trainer.Team(0, 1, torch.device("cpu"))

    def begun() -> trainer._Run:
        net = trainees.kind("embedded")({}, {}, team.device)
        return trainer._Run(settings, net, Sampler([data], 1, crop=96), team, 0)

    path = str(tmp_path / "last.pt")
    one, two = begun(), begun()
    one.step = 3
    one.store(path)
    two.scaler = torch.amp.GradScaler("cpu", enabled=True)  # as with a GPU
    two.restore(path)
    assert two.step == 3
    assert (weights(one.trainee.net) == weights(two.trainee.net)).all()
    assert two.scaler.get_scale() == torch.amp.GradScaler("cpu").get_scale()


def test_records_are_made_while_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same ones as of a dataset; a run that goes on sees what it would have seen."""
    monkeypatch.setattr(running, "_BATCHES", 6)  # for the figures after the training, not at stake
    recipe = config(tmp_path, Source(CITY), count=16, size=96)
    scenes = prepared(recipe, str(tmp_path / "aligned"))
    stored = make_dataset(recipe, str(tmp_path / "city"))
    fresh = Fresh(recipe, scenes, every=2)
    assert fresh.numbers(0).tolist() == list(range(8))
    assert fresh.numbers(2).tolist() == list(range(16))
    assert fresh.numbers(20).tolist() == list(range(56, 88))
    for number in (3, 12, 3):  # of two groups
        one, two = fresh[number], stored[number]
        assert (one.image == two.image).all()
        assert (one.mask == two.mask).all()
        assert (one.there == two.there).all()
        assert one.names == two.names

    def trained(folder: Path, until: int | None = None) -> torch.Tensor:
        settings = TrainConfig(**{**SMALL, "fresh": 2, "steps": 4})  # type: ignore[arg-type]
        path, steps = run_recipe(
            Recipe(recipe, settings), str(folder), device="cpu", until=until
        )  # fmt: skip
        assert not (folder / "data").exists()
        if path is None:
            assert steps == until
            return torch.empty(0)
        with safe_open(path, "pt") as file:
            return torch.cat([file.get_tensor(k).flatten() for k in sorted(file.keys())])

    whole = trained(tmp_path / "whole")
    trained(tmp_path / "part", until=3)
    assert (trained(tmp_path / "part") == whole).all()


def test_fresh_records_need_a_pace(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="fresh = -1"):
        Fresh(config(tmp_path, Source(CITY)), [], every=-1)


def test_batches_in_parts_are_as_good(data: Dataset, tmp_path: Path) -> None:
    """Not the same, as running statistics differ, but finite and trained."""
    net = run(data, tmp_path / "parts", batch=4, accumulate=2, steps=3)
    assert torch.isfinite(weights(net)).all()


def test_another_configuration_is_refused(data: Dataset, tmp_path: Path) -> None:
    run(data, tmp_path, until=2)
    with pytest.raises(SettingsError, match="another configuration"):
        run(data, tmp_path, rate=0.5)
    (tmp_path / "last.pt").write_bytes(b"none")
    with pytest.raises(InputError, match="damaged"):
        run(data, tmp_path)


@pytest.mark.parametrize("fresh", [0, 2])
def test_other_data_is_refused(tmp_path: Path, fresh: int) -> None:
    """Whether records are made meanwhile or lie in a dataset: a run learns from one kind only."""
    settings = TrainConfig(**{**SMALL, "fresh": fresh})  # type: ignore[arg-type]
    one, two = (config(tmp_path, Source(CITY), size=96, count=8, seed=n) for n in (3, 4))
    folders = [[], []]
    if not fresh:
        made = (make_dataset(d, str(tmp_path / f"data{d.seed}")) for d in (one, two))
        folders = [[data.folder] for data in made]
    out = str(tmp_path / "out")

    def begun(number: int, until: int) -> int:
        recipe = Recipe((one, two)[number], settings)
        return run_recipe(recipe, out, folders[number], device="cpu", until=until)[1]

    assert begun(0, 1) == 1
    with pytest.raises(SettingsError, match="learns from other data"):
        begun(1, 2)
    assert begun(0, 2) == 2


def test_a_log_that_broke_off_is_no_obstacle(data: Dataset, tmp_path: Path) -> None:
    """As after a full disk or a loss of power."""
    run(data, tmp_path, until=2)
    with open(tmp_path / "log.jsonl", "ab") as file:
        file.write(b'{"loss": 2.0}\n17\n\0\0\xff\xfe\n{"step": 2, "lo')
    run(data, tmp_path)
    assert [line["step"] for line in entries(str(tmp_path))] == [2, 4]


def test_the_log_is_json_whatever_the_figures_are(tmp_path: Path) -> None:
    """The first gradients of a training in float16 are infinite: that is how the scale is found."""
    with Journal(str(tmp_path), 0) as journal:
        journal.say(50, {"loss": 1.5, "gradient": math.inf, "places": math.nan})

    def refuse(word: str) -> None:
        raise AssertionError(word)

    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {
        "step": 50, "loss": 1.5, "gradient": None, "places": None,
    }  # fmt: skip


def test_slow_steps_are_kept_in_between(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.5:
            raise Enough

    def part(folder: Path) -> int:
        with pytest.raises(Enough):
            train(
                TrainConfig(**SMALL), lambda seed: Sampler([data], seed, crop=96),  # type: ignore[arg-type]
                str(folder), {}, progress=stop,
            )  # fmt: skip
        kept = folder / "last.pt"
        return int(torch.load(kept, weights_only=True)["step"]) if kept.exists() else 0

    assert part(tmp_path / "fast") == 0
    monkeypatch.setattr(trainer, "_LOST", 0.0)
    assert part(tmp_path / "slow") == 3


def test_a_checkpoint_that_cant_be_written_leaves_the_last_one(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files, as quotas are."""
    run(data, tmp_path, until=2)
    before = (tmp_path / "last.pt").read_bytes()
    # Python would leave a part of a module's bytecode behind, where the next process finds it.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt can't be written: File too large"):
            run(data, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert {p.name.split(".")[0] for p in tmp_path.iterdir()} == {"events", "last", "log"}
    assert len(list(tmp_path.glob("last*"))) == 1


def test_one_at_a_time_trains_in_a_folder(data: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(config(tmp_path, Source(CITY)), TrainConfig(**SMALL))  # type: ignore[arg-type]
    with alone(str(tmp_path)), pytest.raises(OutputError, match="by another process"):
        run_recipe(recipe, str(tmp_path), [data.folder], device="cpu")


def test_what_a_training_can_t_keep_is_said(
    data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Widths that no reader of weights expects; the encoding with which weights were trained."""
    outdoor = tmp_path / "outdoor_ds.ckpt"
    torch.save({k: torch.rand(s) for k, s in layouts.shapes("loftr").items()}, outdoor)
    cases: list[tuple[dict[str, object], str]] = [
        ({}, ""),
        ({"options": {"width": 8}}, ""),
        ({"options": {"width": 12}}, "neither '--weights' nor"),
        ({"matcher": "minima_loftr", "weights": str(outdoor)}, "first position encoding"),
    ]
    for changes, said in cases:
        caplog.clear()
        settings = TrainConfig(**{**SMALL, **changes})  # type: ignore[arg-type]
        recipe = Recipe(config(tmp_path, Source(CITY)), settings)
        with alone(str(tmp_path)), pytest.raises(OutputError):  # it goes no further
            run_recipe(recipe, str(tmp_path), [data.folder], device="cpu")
        assert said in caplog.text
        assert bool(said) == bool(caplog.text)


def test_a_loss_that_explodes_is_said(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="smaller rate"):
        run(data, tmp_path, rate=1e30, clip=1e30, steps=20)


def test_two_processes_agree(data: Dataset, tmp_path: Path) -> None:
    """Each draws pairs of its own; after every step they have the same weights."""
    script = (
        "import sys, torch\n"
        "from test_training_runs import run, weights\n"
        "from georeg.training.dataset import Dataset\n"
        "from georeg.training import trainer\n"
        "import os, pathlib\n"
        "torch.set_num_threads(1)\n"
        f"net = run(Dataset({data.folder!r}), pathlib.Path({str(tmp_path)!r}), batch=4, steps=3)\n"
        f"torch.save(weights(net), {str(tmp_path)!r} + '/' + os.environ['RANK'] + '.pt')\n"
    )
    common = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29531",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }  # fmt: skip
    processes = [
        subprocess.Popen([sys.executable, "-c", script],
                         env={**common, "RANK": str(k), "LOCAL_RANK": str(k)})
        for k in range(2)
    ]  # fmt: skip
    assert [p.wait(300) for p in processes] == [0, 0]
    one, two = (torch.load(tmp_path / f"{k}.pt", weights_only=True) for k in range(2))
    assert (one == two).all()


def test_what_can_be_trained() -> None:
    assert {"embedded", "minima_loftr", "aliked_lightglue"} <= set(trainees.available())
    with pytest.raises(SettingsError, match="can't be trained"):
        trainees.kind("sift")
    with pytest.raises(SettingsError, match="only fine-tuned"):
        trainees.kind("aliked_lightglue")({}, {}, torch.device("cpu"))


def test_loftr_learns_from_scratch(data: Dataset) -> None:
    """A few steps on the same pairs: both losses go down, and all weights get gradients."""
    torch.manual_seed(0)
    trainee = trainees.kind("minima_loftr")({}, {}, torch.device("cpu"))
    samples = Sampler([data], 1, crop=96, shift=4.0).batch(1)
    optimiser = torch.optim.AdamW(trainee.net.parameters(), lr=3e-4)
    trainee.net.train()
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = trainee.loss(samples).total
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert all(p.grad is not None for p in trainee.net.parameters())


def test_recipes() -> None:
    recipe = read_recipe(recipe_path("embedded"), "~/images")
    assert recipe.train.matcher == "embedded"
    assert all(source.licence for source in recipe.data.sources)
    with pytest.raises(SettingsError, match="no recipe 'other'"):
        recipe_path("other")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[train]\nsteps = 3", "no .*data.sources"),
        ("[trian]\nsteps = 3", "'trian' is no part"),
        ("[train]\nstep = 3\n[[data.sources]]\nfiles = 'city'", "'step' is none of"),
        ("[train]\nsteps = 'x'\n[[data.sources]]\nfiles = 'city'", "should be of type int"),
        ("[train]\nsteps = 0\n[[data.sources]]\nfiles = 'city'", "must be above 0"),
        ("[data.limits]\nshift = 'x'\n[[data.sources]]\nfiles = 'city'", "type float"),
        ("train = [", "not valid TOML"),
    ],
)
def test_wrong_recipes_get_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_recipe(str(path), ".")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train = 5", "train: 5 should be a table"),
        ("data = 'sources'", "'sources' should be a table"),
        ("[data.sources]\nfiles = 'city'", r"below a line \[\[data.sources\]\]"),
        ("[data]\nsources = ['city']", "'city' should be a table"),
        ("[data]\nlimits = 3", "limits: 3 should be a table"),
        ("[data]\nmodalities = {sar = 'x'}", r"type Mapping\[str, float\]"),
        ("[data]\nwarps = 'shift'", r"type tuple\[str, ...\]"),
        ("[data]\ncoarsest = nan", "type float, and finite"),
        ("[data]\ncount = -3", "count = -3: it must be 1 or more"),
        ("[data]\nviews = 1", "views = 1: it must be 2 or more"),
        ("[data]\nsize = 0", "size = 0: it must be 8 or more"),
        ("[data]\nmodalities = {sra = 1.0}", "no modality 'sra'"),
        ("[data]\nmodalities = {sar = -1.0}", "sar = -1.0: it must be 0 or more"),
        ("[data]\nwarps = ['shfit']", "warps shfit: choose from shift"),
        ("[data]\nseed = -1", "seed = -1: it must be 0 or more"),
        ("[train]\nseed = -1", "seed = -1: it must be 0 or more"),
        ("[train]\nshift = -4.0", "shift = -4.0: it must be 0 or more"),
        ("[train]\nwithout = 'sar'", r"type tuple\[str, ...\]"),
        ("[train]\noptions = 3", r"type Mapping\[str, Any\]"),
    ],
)
def test_wrong_values_in_recipes_get_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text if "sources" in text else f"{text}\n[[data.sources]]\nfiles = 'city'")
    with pytest.raises(SettingsError, match=words):
        read_recipe(str(path), ".")

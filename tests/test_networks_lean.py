"""Convolutions made for GPUs compute what they did before; a GPU isn't needed to see that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from kornia.feature.loftr.backbone import build_backbone
from kornia.feature.loftr.loftr import default_cfg
from scipy.spatial import cKDTree
from torch import Tensor, nn

import network_cases as cases
from georeg.matching.networks.lean import lean, widened
from georeg.matching.networks.loftr import LoftrNet
from georeg.matching.networks.precision import Precision
from georeg.matching.networks.xoftr import XoftrNet
from georeg.matching.networks.xoftr_blocks import Backbone
from georeg.matching.protocol import Device

FromState = Callable[[Mapping[str, Tensor]], LoftrNet | XoftrNet]


def trained(net: nn.Module) -> nn.Module:
    """In double precision, with statistics as training leaves them behind."""
    generator = torch.Generator().manual_seed(3)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values, least in ((part.running_mean, -1.0), (part.running_var, 0.5)):
                assert values is not None
                values.uniform_(least, 2.0, generator=generator)
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(part.bias, -1.0, 1.0, generator=generator)
    return net.double().eval().requires_grad_(False)


@pytest.mark.parametrize("make", [lambda: build_backbone(default_cfg), Backbone])
def test_features_stay_the_same(make: Callable[[], nn.Module]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = trained(make())
        images = torch.rand(2, 1, 64, 96, dtype=torch.float64)
    before = net(images)
    lean(net)
    for old, new in zip(before, net(images), strict=True):
        count = old.shape[1]
        torch.testing.assert_close(new[:, :count], old, rtol=1e-9, atol=1e-9)
        assert not new[:, count:].any()


@pytest.mark.parametrize("make", [lambda: build_backbone(default_cfg), Backbone])
def test_nothing_is_left_that_tensor_cores_cant_take(make: Callable[[], nn.Module]) -> None:
    net = make().eval()
    lean(net)
    assert not [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    convolutions = [part for part in net.modules() if isinstance(part, nn.Conv2d)]
    first, *others = convolutions
    assert first.weight.shape[1] == 1, "a picture has one channel"
    assert first.weight.shape[0] % 8 == 0
    assert all(n % 8 == 0 for part in others for n in part.weight.shape[:2])
    assert any(200 in part.weight.shape[:2] for part in others)


@pytest.mark.parametrize(
    ("layout", "from_state", "case", "options"),
    [
        ("loftr", LoftrNet.from_state, "masked", {}),
        ("xoftr", XoftrNet.from_state, "synth", {"first": 1e-3, "score": "mconf_f"}),
    ],
)
def test_matches_are_still_those_of_the_official_code(
    layout: str,
    from_state: FromState,
    case: str,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = cases.recorded(layout)
    state = cases.golden_states(layout)[layout]
    before = {name: value.clone() for name, value in state.items()}
    monkeypatch.setattr(Precision, "tensor_cores", True)
    monkeypatch.setattr(Precision, "halved", False)
    net = from_state(state)
    assert any(200 in p.weight.shape for p in net.modules() if isinstance(p, nn.Conv2d))
    (found,) = net.match(*cases.pair(known, case))
    cases.agrees(found, known, case, **options)
    assert all(torch.equal(state[name], value) for name, value in before.items())


@pytest.mark.parametrize("layout", ["loftr", "xoftr"])
def test_half_precision_bears_it(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU computes: gains are in the weights now, and those are halves, too."""
    state = cases.golden_states(layout)[layout]
    one, _, two, _ = cases.pair(cases.recorded(layout), "synth")
    part = one[:, :192, :192], None, two[:, :192, :192], None
    make = LoftrNet.from_state if layout == "loftr" else XoftrNet.from_state
    (exact,) = make(state).match(*part)
    monkeypatch.setattr(Precision, "tensor_cores", True)
    with cases.QuickHalves():
        (rough,) = make(state, Device(dtype="float16")).match(*part)
    assert len(exact.score) > 100
    assert len(rough.score) == pytest.approx(len(exact.score), rel=0.15)
    tree = cKDTree(np.hstack([exact.xy0, exact.xy1]))
    distance, _ = tree.query(np.hstack([rough.xy0, rough.xy1]))
    assert (distance < 1).mean() > 0.8


def test_only_half_precision_on_a_gpu_asks_for_it() -> None:
    assert Precision(Device("cuda:0", "float16")).tensor_cores
    assert not Precision(Device("cuda:0", "float32")).tensor_cores
    assert not Precision(Device("cpu", "bfloat16")).tensor_cores


def test_a_convolution_with_a_bias_a_stride_and_odd_channels() -> None:
    conv = nn.Conv2d(3, 5, 3, stride=2, padding=1, dilation=2).double()
    image = torch.rand(1, 3, 20, 21, dtype=torch.float64)
    wide = widened(conv)
    assert wide.weight.shape == (8, 8, 3, 3)
    filled = torch.cat([image, torch.rand(1, 5, 20, 21, dtype=torch.float64)], 1)
    torch.testing.assert_close(wide(filled)[:, :5], conv(image))
    assert conv.weight.shape == (5, 3, 3, 3), "the one given stays as it is"
    assert widened(nn.Conv2d(6, 6, 3, groups=6)).in_channels == 6


def test_a_normalisation_of_odd_width_without_a_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="12 channels"):
        lean(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(12)))

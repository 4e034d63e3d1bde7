"""Made-up cities: labels belong to the ground, and what is high is displaced as it should be."""

from __future__ import annotations

import numpy as np
import pytest

from georeg.training.city import chart, radar, relief
from georeg.training.city.layout import Area, Building, Layout, Material, Road, random_layout
from georeg.training.city.picture import Eye, Palette, by_day, paint
from georeg.training.city.render import RENDERS, WEIGHTS

SIDE = 120
ABOVE = Eye(np.zeros(2), np.array([0.5, 0.0]), 1)


def plain(roof: float = 0.9) -> Palette:
    """Grey ground, no texture, no shadows."""
    colour = np.full((len(Material), 3), 0.4)
    colour[Material.ROOF] = roof
    colour[Material.ASPHALT] = 0.1
    return Palette(colour, np.zeros(len(Material)), 0.0, 0.0, np.ones(3))


def block(height: float = 20.0) -> Layout:
    """One house of 30 x 20 px with its middle at (60, 50), and a road at x = 20."""
    ground = np.array([[-9.0, -9], [SIDE + 9, -9], [SIDE + 9, SIDE + 9], [-9, SIDE + 9]])
    outline = np.array([[45.0, 40], [75, 40], [75, 60], [45, 60]])
    house = Building(outline, height, np.zeros(3), None)
    road = Road(np.array([[20.0, -5], [20, SIDE + 5]]), 8.0, False)
    grass = Area(ground, Material.GRASS, 0.0)
    return Layout(SIDE, (grass,), (road,), (house,), (), np.zeros((0, 3)), 5)


def middle(share: np.ndarray) -> np.ndarray:
    """(2,) centre of gravity (x, y), edge convention."""
    y, x = np.indices(share.shape) + 0.5
    return np.array([(x * share).sum(), (y * share).sum()]) / share.sum()


def test_from_straight_above_everything_lies_where_it_stands() -> None:
    image = paint(block(), plain(), ABOVE)[..., 0]
    roof = image > 0.7
    assert middle(roof) == pytest.approx([60, 50], abs=0.3)
    assert roof.sum() == pytest.approx(600, rel=0.05)
    assert middle(image[20:100] < 0.2)[0] == pytest.approx(20, abs=0.3)


@pytest.mark.parametrize("lean", [(0.4, 0.0), (-0.3, 0.25)])
def test_roofs_lean_by_their_height(lean: tuple[float, float]) -> None:
    image = paint(block(20.0), plain(), Eye(np.array(lean), np.array([0.5, 0.0]), 1))[..., 0]
    assert middle(image > 0.7) - [60, 50] == pytest.approx(20 * np.array(lean), abs=0.5)
    assert middle(image[5:30] < 0.2)[0] == pytest.approx(20, abs=0.3)  # roads don't


def test_shadows_fall_away_from_the_sun() -> None:
    dark = Palette(plain().colour, plain().texture, 0.0, 0.0, np.full(3, 0.4))
    image = paint(block(), dark, Eye(np.zeros(2), np.array([1.5, 0.0]), 1))[..., 0]
    assert image[50, 80:100].max() < 0.25
    assert image[50, 32:42].min() > 0.35


def test_maps_draw_footprints() -> None:
    """Whatever the style: where the house or the road is, it differs from its surroundings."""
    found = 0
    for seed in range(12):
        image = chart.draw(block(), np.random.default_rng(seed))
        inner, ring = image[44:56, 49:71].mean((0, 1)), image[[32, 68], 49:71].mean((0, 1))
        road, side = image[:, 18:22].mean((0, 1)), image[:, [11, 29]].mean((0, 1))
        found += np.abs(inner - ring).max() > 0.01 or np.abs(road - side).max() > 0.01
    assert found >= 11


def test_radar_lays_houses_over_towards_itself_and_casts_shadows_behind() -> None:
    """The brightest half of what changes by the house lies on the other side than the darkest."""
    empty = block()
    empty = Layout(SIDE, empty.areas, empty.roads, (), (), empty.parking, empty.texture)
    apart = []
    for seed in range(8):
        with_house, without = (
            radar.scan(layout, np.random.default_rng(seed))[..., 0] for layout in (block(), empty)
        )
        change = with_house - without
        bright, dark = np.clip(change - 0.1, 0, None), np.clip(-change - 0.1, 0, None)
        if dark.sum() > 5 and bright.sum() > 5:
            apart.append(float(np.hypot(*(middle(bright) - middle(dark)))))
    assert np.median(apart) > 8


def test_relief_shows_heights_where_they_are_seen() -> None:
    lean = np.array([0.5, 0.0])
    heights = relief.surface(block(20.0), lean)
    assert heights.max() == pytest.approx(20, abs=0.5)
    assert middle(heights > 19)[0] == pytest.approx(70, abs=0.6)


@pytest.mark.parametrize("name", list(RENDERS))
def test_any_layout_can_be_rendered(name: str) -> None:
    assert WEIGHTS[name] > 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        image = RENDERS[name](random_layout(96, rng), rng)
        assert image.shape == (96, 96, 3)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        assert np.isfinite(image).all()


def test_equal_seeds_make_equal_cities() -> None:
    images = []
    for _ in range(2):
        rng = np.random.default_rng(9)
        images.append(paint(random_layout(96, rng), by_day(rng), ABOVE))
    assert (images[0] == images[1]).all()

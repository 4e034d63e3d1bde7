"""B-splines on a lattice: values, derivatives and the bending energy."""

from __future__ import annotations

import numpy as np
from scipy.integrate import dblquad

from georeg.transforms._bspline import Lattice


def test_bending_energy_is_exact():
    lattice = Lattice(np.array([2.0, -1.0]), np.array([6.0, 2.0]), (3, 2))
    coefficients = np.random.default_rng(9).normal(size=(*lattice.shape, 2))
    first = coefficients[..., 0].ravel()

    def density(y, x):
        at = np.array([[x, y]])
        xx, xy, yy = (
            lattice.partial(coefficients, at, order)[0, 0] for order in ((2, 0), (1, 1), (0, 2))
        )
        return xx**2 + 2 * xy**2 + yy**2

    energy = sum(
        dblquad(density, 2 + 2 * i, 4 + 2 * i, -1 + j, j)[0] for i in range(3) for j in range(2)
    )
    assert np.isclose(first @ (lattice.bending() @ first), energy, rtol=1e-9)


def test_bending_energy_of_a_plane_is_zero_and_design_matches_evaluation():
    lattice = Lattice(np.array([0.0, 0.0]), np.array([50.0, 40.0]), (5, 4))
    j, i = np.mgrid[0:7, 0:8]
    plane = (3.0 * i - 2.0 * j + 1.0).ravel()
    assert abs(plane @ (lattice.bending() @ plane)) < 1e-10
    xy = np.random.default_rng(10).random((30, 2)) * [50, 40]
    coefficients = np.random.default_rng(11).normal(size=(7, 8, 2))
    evaluated = lattice.partial(coefficients, xy, (0, 0))
    assert np.allclose(lattice.design(xy) @ coefficients.reshape(-1, 2), evaluated)


def test_splines_reproduce_cubics_and_their_derivatives():
    """A field fitted to a cubic by plain least squares is the cubic, with all derivatives."""
    lattice = Lattice(np.array([0.0, 0.0]), np.array([60.0, 40.0]), (6, 4))
    xy = np.random.default_rng(12).random((400, 2)) * [60, 40]
    x, y = xy.T / 10
    cubic = x**3 - 2 * x * y**2 + y**3 + x
    design = lattice.design(xy).toarray()
    solved = np.linalg.lstsq(design, np.stack([cubic, -cubic], axis=1), rcond=None)[0]
    coefficients = solved.reshape(*lattice.shape, 2)
    expected = {
        (0, 0): cubic,
        (1, 0): (3 * x**2 - 2 * y**2 + 1) / 10,
        (0, 1): (3 * y**2 - 4 * x * y) / 10,
        (1, 1): -4 * y / 100,
        (2, 0): 6 * x / 100,
        (0, 2): (6 * y - 4 * x) / 100,
    }
    for order, values in expected.items():
        found = lattice.partial(coefficients, xy, order)
        assert np.allclose(found, np.stack([values, -values], axis=1), atol=1e-8)

"""The solver under displacement fields: exact for lattices of any shape, and a good neighbour."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csc_array
from threadpoolctl import threadpool_info, threadpool_limits

from georeg.transforms._bspline import Lattice
from georeg.transforms._smoothing import Problem, _factorised, _Symmetric
from georeg.transforms.base import Array


def problem(cells: tuple[int, int], count: int = 400, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    size = np.array([900.0, 600.0])
    xy = rng.uniform(0, size, (count, 2))
    return Problem(
        Lattice(np.zeros(2), size, cells), xy, rng.normal(size=(count, 2)), rng.uniform(size=count)
    )


def symmetric(matrix: Array) -> _Symmetric:
    return _Symmetric.of(csc_array(matrix))


@pytest.mark.parametrize("cells", [(12, 8), (3, 30), (30, 3), (1, 1)])
def test_the_minimum_is_exact(cells: tuple[int, int]) -> None:
    given = problem(cells)
    found = given.solve(0.01)
    design = given.lattice.design(given.xy).toarray()
    weight = given.weights / given.weights.sum()
    side = given.lattice.size.prod()
    bending = 0.01 * side / (8 * np.pi) ** 4 * given.lattice.bending().toarray()
    matrix = design.T @ (weight[:, None] * design) + bending
    right = design.T @ (weight[:, None] * given.values)
    first = np.linalg.solve(matrix, right)
    expected = np.linalg.solve(matrix, right + bending @ first)
    np.testing.assert_allclose(found.reshape(-1, 2), expected, rtol=1e-6, atol=1e-8)


def test_what_rounding_left_not_quite_definite_is_solved_all_the_same() -> None:
    matrix = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1e-9], [0.0, 1e-9, -1e-9]])
    solve = _factorised(symmetric(0.5 * matrix), symmetric(matrix), 0.5)
    assert solve is not None
    right = np.array([[1.0, 2.0], [0.0, 1.0], [3e-9, 5e-10]])
    np.testing.assert_allclose(matrix @ solve(right), right, atol=1e-9)


def test_singular_matrices_have_no_solution() -> None:
    nothing, part = np.zeros((3, 3)), np.diag([1.0, 0.0, 1.0])
    assert _factorised(symmetric(part), symmetric(nothing), 1.0) is None


def test_bands_of_different_widths_are_added_up() -> None:
    part, penalty = np.diag([4.0, 5.0, 6.0, 7.0]), np.eye(4) + 0.5 * np.fliplr(np.eye(4))
    right = np.arange(8.0).reshape(4, 2)
    for one, other, factor in ((part, penalty, 2.0), (penalty, part, 0.5)):
        solve = _factorised(symmetric(one), symmetric(other), factor)
        assert solve is not None
        np.testing.assert_allclose((one + factor * other) @ solve(right), right, atol=1e-12)


def test_threads_of_blas_are_as_they_were() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = [(p["filepath"], p["num_threads"]) for p in threadpool_info()]
        alone = problem((12, 8)).solve(0.01)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: problem((12, 8)).solve(0.01), range(40)):
                assert (found == alone).all()
        assert [(p["filepath"], p["num_threads"]) for p in threadpool_info()] == before

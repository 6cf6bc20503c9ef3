"""The geometry check: it passes real crystals and catches the usual mix-ups."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.geometry import (
    SHORTEST_DISTANCE,
    VOLUME_PER_ATOM,
    Geometry,
    check_geometry,
    looks_fractional,
    measure_geometry,
)
from matsciml_core.errors import DataError, GeometryError, MatSciMLError
from matsciml_core.interfaces.crystal import Crystal

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
BCC = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])


def crystal(numbers: list[int], fractional: list[list[float]], cell: np.ndarray) -> Crystal:
    """Return a crystal called ``x``."""
    return Crystal.from_fractional(id="x", atomic_numbers=numbers, fractional=fractional, cell=cell)


def diamond(lattice_constant: float = 3.567) -> Crystal:
    """Return carbon as diamond."""
    return crystal([6, 6], [[0.0] * 3, [0.25] * 3], lattice_constant * FCC)


REAL = {
    "diamond, the densest": (diamond(), 5.673, 1.5446),
    "caesium, the loosest metal": (crystal([55], [[0, 0, 0]], 6.141 * BCC), 115.8, 3.0),
    "iron, one atom": (crystal([26], [[0, 0, 0]], 2.866 * BCC), 11.77, 2.482),
    "magnesium, hexagonal": (
        crystal(
            [12, 12],
            [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
            np.array([[3.209, 0, 0], [-1.6045, 2.7791, 0], [0, 0, 5.211]]),
        ),
        23.24,
        3.0,
    ),
    "hydrogen molecule in a crystal": (
        crystal([1, 1], [[0.5, 0.5, 0.4], [0.5, 0.5, 0.6]], np.diag([3.7, 3.7, 3.7])),
        25.33,
        0.74,
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_crystals_pass(name: str) -> None:
    check_geometry(REAL[name][0])


@pytest.mark.parametrize("name", REAL)
def test_the_two_numbers_are_right(name: str) -> None:
    sample, volume, distance = REAL[name]
    geometry = measure_geometry(sample)
    assert geometry.volume_per_atom == pytest.approx(volume, rel=1e-3)
    assert geometry.shortest_distance == pytest.approx(distance, rel=1e-3)


def test_distances_beyond_the_search_are_reported_as_its_end() -> None:
    lonely = crystal([2], [[0, 0, 0]], np.diag([7.0, 7.0, 7.0]))
    assert measure_geometry(lonely) == Geometry(
        volume_per_atom=pytest.approx(343.0), shortest_distance=3.0
    )


def test_distances_to_periodic_images_count() -> None:
    """Two atoms on opposite faces are neighbours across the boundary."""
    sample = crystal([6, 6], [[0.02, 0.5, 0.5], [0.98, 0.5, 0.5]], np.diag([5.0, 5.0, 5.0]))
    assert measure_geometry(sample).shortest_distance == pytest.approx(0.2)
    with pytest.raises(GeometryError, match=r"0\.2 Å apart"):
        check_geometry(sample)


def test_distances_do_not_depend_on_the_choice_of_image() -> None:
    sample = diamond()
    moved = Crystal(
        id="x",
        atomic_numbers=sample.atomic_numbers,
        positions=sample.positions + np.array([[3, 0, 0], [0, -2, 5]]) @ sample.cell,
        cell=sample.cell,
    )
    assert measure_geometry(moved).shortest_distance == pytest.approx(
        measure_geometry(sample).shortest_distance
    )


def test_fractional_coordinates_taken_as_cartesian_are_named() -> None:
    """All atoms in a unit cube within a large cell: the commonest mistake of all."""
    cell = np.diag([5.64, 5.64, 5.64])
    fractional = np.array([[0, 0, 0], [0, 0.1, 0.2], [0.5, 0, 0.45], [0.5, 0.3, 0.0]])
    wrong = Crystal(id="mixed-up", atomic_numbers=[11] * 4, positions=fractional, cell=cell)
    assert looks_fractional(wrong)
    with pytest.raises(GeometryError, match=r"'mixed-up'.*from_fractional"):
        check_geometry(wrong)


def test_overlapping_atoms_that_are_not_fractional_get_another_hint() -> None:
    sample = crystal([6, 6], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.52]], np.diag([5.0, 5.0, 5.0]))
    assert not looks_fractional(sample)
    with pytest.raises(GeometryError, match="Check the positions and the cell") as caught:
        check_geometry(sample)
    assert "from_fractional" not in str(caught.value)


@pytest.mark.parametrize("scale", [0.1, 1 / 1.8897 / 1.8897, 10.0])
def test_cells_in_other_units_are_caught(scale: float) -> None:
    """Nanometres, bohr converted twice, and a cell ten times too large."""
    with pytest.raises(GeometryError, match="Is the cell in Å"):
        check_geometry(diamond(3.567 * scale))


@pytest.mark.parametrize(
    ("volume", "accepted"), [(1.9, False), (2.1, True), (399, True), (401, False)]
)
def test_bounds_of_the_volume(volume: float, accepted: bool) -> None:
    sample = crystal([6], [[0, 0, 0]], np.diag([volume ** (1 / 3)] * 3))
    assert VOLUME_PER_ATOM == (2.0, 400.0)
    if accepted:
        check_geometry(sample)
    else:
        with pytest.raises(GeometryError, match="Å³ per atom"):
            check_geometry(sample)


@pytest.mark.parametrize(("distance", "accepted"), [(0.49, False), (0.51, True)])
def test_bound_of_the_distance(distance: float, accepted: bool) -> None:
    positions = [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0 + distance]]
    sample = Crystal(
        id="x", atomic_numbers=[1, 1], positions=positions, cell=np.diag([4.0, 4.0, 4.0])
    )
    assert SHORTEST_DISTANCE == 0.5
    if accepted:
        check_geometry(sample)
    else:
        with pytest.raises(GeometryError, match="nothing is closer than"):
            check_geometry(sample)


def test_a_slab_or_molecule_is_not_judged_by_its_vacuum() -> None:
    slab = Crystal(
        id="slab",
        atomic_numbers=[29],
        positions=[[0.0, 0.0, 0.0]],
        cell=np.diag([2.55, 2.55, 100.0]),
        pbc=[True, True, False],
    )
    check_geometry(slab)


@pytest.mark.parametrize(
    ("numbers", "positions", "cell", "expected"),
    [
        ([6], [[0.5, 0.5, 0.5]], 5.0, False),  # one atom near the origin is nothing unusual
        ([6, 6], [[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]], 5.0, True),
        ([6, 6], [[0.1, 0.1, 0.1], [1.9, 0.9, 0.9]], 5.0, False),
        ([6, 6], [[-0.2, 0.1, 0.1], [0.9, 0.9, 0.9]], 5.0, False),
        ([6, 6], [[0.0, 0.0, 0.0], [0.9, 0.9, 0.9]], 1.9, False),  # the cell is that small
    ],
)
def test_looks_fractional(
    numbers: list[int], positions: list[list[float]], cell: float, expected: bool
) -> None:
    sample = Crystal(id="x", atomic_numbers=numbers, positions=positions, cell=np.diag([cell] * 3))
    assert looks_fractional(sample) is expected


def test_the_error_is_one_that_the_command_line_prints() -> None:
    assert issubclass(GeometryError, DataError)
    assert issubclass(GeometryError, MatSciMLError)


@pytest.mark.parametrize("basis", [[[0.0, 0.5, 0.5], [0.5, 0.5, 0.0]], [[0.5, 0.5, 0.5]]])
def test_fractions_of_simple_metals_are_caught_too(basis: list[list[float]]) -> None:
    """They are 0.71 Å (fcc) and 0.87 Å (bcc) apart when they are taken for Cartesian."""
    fractional = np.array([[0.0, 0.0, 0.0], *basis])
    taken = Crystal(
        id="x",
        atomic_numbers=np.full(len(fractional), 29),
        positions=fractional,
        cell=np.eye(3) * 3.6,
    )
    with pytest.raises(GeometryError, match=r"look fractional.*--fractional"):
        check_geometry(taken)

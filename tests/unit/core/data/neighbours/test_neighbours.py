"""Neighbour lists: every image inside the cutoff and no other, whatever the cell looks like."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matsciml_core.data import attach_neighbours
from matsciml_core.data.neighbours import _pairs
from matsciml_core.data.neighbours.neighbour_list import TIE_TOLERANCE, find_edges
from matsciml_core.errors import GeometryError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.testing.crystals import (
    bcc_iron,
    hcp_magnesium,
    sodium_chloride,
    triclinic,
)

PARITY = Path(__file__).resolve().parents[5].parent / "shared" / "parity" / "neighbors"
CUTOFFS = (4, 6, 8)
Edge = tuple[int, int, int, int, int]


@pytest.fixture(params=["library", "wrapper"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Search with vesin's C function, and with its public class."""
    if request.param == "wrapper":
        monkeypatch.setattr(_pairs, "_library", lambda: None)
    elif _pairs._library() is None:
        pytest.skip("this release of vesin has another C interface; only its class is used")
    return request.param


def connect(crystals: Sequence[Crystal], cutoff: float, cap: int | None = None) -> CrystalBatch:
    return attach_neighbours(
        CrystalBatch.from_crystals(crystals), Neighbourhood(cutoff=cutoff, max_neighbours=cap)
    )


def lengths_of(batch: CrystalBatch) -> NDArray[np.float64]:
    return torch.linalg.vector_norm(batch.edge_vectors(), dim=1).numpy()


def edges_of(batch: CrystalBatch) -> list[Edge]:
    """Return (receiver, sender, shift) of every edge, sorted."""
    sender, receiver = batch.edge_index
    columns = torch.cat(
        [receiver[:, None], sender[:, None], batch.cell_shift.to(torch.int64)], dim=1
    )
    return sorted(map(tuple, columns.tolist()))


def parts_of(batch: CrystalBatch) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Yield (receiver, sender, shift) columns, numbers of edges, and lengths of each crystal."""
    sender, receiver = batch.edge_index.numpy()
    columns = np.column_stack([receiver, sender, batch.cell_shift.numpy()]).astype(np.int64)
    lengths, owner = lengths_of(batch), batch.edge_crystal_index.numpy()
    ends = np.cumsum(batch.atoms_per_crystal.numpy())
    for k, (count, end) in enumerate(zip(batch.atoms_per_crystal.tolist(), ends, strict=True)):
        own = columns[owner == k]
        own[:, :2] -= end - count
        yield own, batch.edges_per_atom[end - count : end].numpy(), lengths[owner == k]


def brute_force(crystal: Crystal, cutoff: float) -> list[Edge]:
    """Try every pair in every image that can be in reach: slow, and too simple to be wrong."""
    inverse = np.linalg.inv(crystal.cell)
    spread = np.ptp(crystal.positions @ inverse, axis=0)
    reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0) + spread).astype(int)
    ranges = [
        range(-most, most + 1) if periodic else (0,)
        for most, periodic in zip(reach, crystal.pbc, strict=True)
    ]
    shifts = np.array(list(product(*ranges)))
    images = crystal.positions[None] + (shifts @ crystal.cell)[:, None]  # (shifts, atoms, 3)
    found = []
    for i, position in enumerate(crystal.positions):
        distances = np.linalg.norm(images - position, axis=2)
        image, j = np.nonzero((distances > 0) & (distances < cutoff))
        found += [(i, int(k), *shifts[m].tolist()) for m, k in zip(image, j, strict=True)]
    return sorted(found)


def edges_of_part(columns: NDArray[Any]) -> list[Edge]:
    return sorted(map(tuple, columns.tolist()))


def shortest(
    columns: NDArray[Any], counts: NDArray[Any], lengths: NDArray[Any], cap: int
) -> list[Edge]:
    """Sort the edges of each atom by length and cut, atom by atom; ties with the last are kept."""
    kept: list[Edge] = []
    for atom in range(len(counts)):
        own, near = columns[columns[:, 0] == atom], lengths[columns[:, 0] == atom]
        limit = np.inf if len(near) <= cap else np.sort(near)[cap - 1] + TIE_TOLERANCE
        kept += edges_of_part(own[near <= limit])
    return sorted(kept)


def random_crystal(seed: int, pbc: Sequence[bool] = (True, True, True)) -> Crystal:
    """Return up to six atoms in a skewed cell of 2.4 Å or more; some lie outside the cell."""
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(2.4, 5.0, 3)) + random.uniform(-0.9, 0.9, (3, 3))
    atoms = int(random.integers(1, 7))
    return Crystal(
        id=str(seed),
        atomic_numbers=random.integers(1, 90, atoms),
        positions=random.uniform(-0.6, 1.6, (atoms, 3)) @ cell,
        cell=cell,
        pbc=pbc,
    )


def rotation(seed: int) -> NDArray[np.float64]:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


def moved(crystal: Crystal, **changes: Any) -> Crystal:
    arrays = {"atomic_numbers": crystal.atomic_numbers, "positions": crystal.positions}
    return Crystal(**{"id": "moved", "cell": crystal.cell, "pbc": crystal.pbc, **arrays, **changes})


@pytest.fixture(scope="module")
def reference() -> list[tuple[Crystal, dict[int, dict[str, NDArray[Any]]]]]:
    """Structures, and what four libraries agree on for them."""
    if not PARITY.is_dir():
        pytest.skip(f"the reference lists are not here: {PARITY} is missing")
    stored = np.load(PARITY / "reference.npz")
    structures = json.loads((PARITY / "structures.json").read_text())
    return [
        (
            Crystal(
                id=entry["material_id"],
                atomic_numbers=entry["atomic_numbers"],
                positions=entry["cart_positions"],
                cell=entry["lattice"],
            ),
            {
                cutoff: {
                    name: stored[f"{entry['k']:02d}_{cutoff}_{name}"]
                    for name in ("counts", "distances", "edges_ijS")
                }
                for cutoff in CUTOFFS
            },
        )
        for entry in structures
    ]


class TestParity:
    """Reference lists on which ase, matscipy, pymatgen, vesin and a brute-force sum agree."""

    def test_cells_much_smaller_than_the_cutoff_are_among_them(self, reference: Any) -> None:
        assert len(reference) >= 40
        inverse = [np.linalg.inv(crystal.cell) for crystal, _ in reference]
        widths = [1.0 / np.linalg.norm(matrix, axis=0).max() for matrix in inverse]
        assert min(widths) < 8.0 / 3.0
        assert any(crystal.num_atoms == 1 for crystal, _ in reference)

    @pytest.mark.parametrize("cutoff", CUTOFFS)
    def test_batched(self, reference: Any, cutoff: int, way: str) -> None:
        batch = connect([crystal for crystal, _ in reference], cutoff)
        for part, (_, expected) in zip(parts_of(batch), reference, strict=True):
            self.compare(*part, expected[cutoff])

    @pytest.mark.parametrize("cutoff", CUTOFFS)
    def test_one_by_one(self, reference: Any, cutoff: int, way: str) -> None:
        for crystal, expected in reference:
            (part,) = parts_of(connect([crystal], cutoff))
            self.compare(*part, expected[cutoff])

    @pytest.mark.parametrize("cap", [1, 12, 40])
    def test_capped(self, reference: Any, cap: int, way: str) -> None:
        crystals = [crystal for crystal, _ in reference]
        expected = [shortest(*part, cap) for part in parts_of(connect(crystals, 6.0))]
        found = [edges_of_part(columns) for columns, _, _ in parts_of(connect(crystals, 6.0, cap))]
        assert found == expected

    @staticmethod
    def compare(
        columns: NDArray[Any], counts: NDArray[Any], lengths: NDArray[Any], expected: Any
    ) -> None:
        assert counts.tolist() == expected["counts"].tolist()
        np.testing.assert_allclose(np.sort(lengths), expected["distances"], rtol=0, atol=1e-6)
        # Stored as (i, j, S) with x_j + S · L − x_i: i is our receiver, j our sender.
        order = np.lexsort(columns.T[::-1])
        np.testing.assert_array_equal(columns[order], expected["edges_ijS"])


class TestEdges:
    def test_fields(self, way: str) -> None:
        batch = connect([sodium_chloride(), triclinic()], 5.0)
        edges = batch.num_edges
        assert edges > 100
        assert (batch.edge_index.dtype, batch.edge_index.shape) == (torch.int64, (2, edges))
        assert (batch.cell_shift.dtype, batch.cell_shift.shape) == (torch.float64, (edges, 3))
        assert torch.equal(batch.cell_shift, batch.cell_shift.round())
        receiver = batch.edge_index[1]
        assert (receiver.diff() >= 0).all()
        counts = torch.bincount(receiver, minlength=batch.num_atoms)
        assert torch.equal(batch.edges_per_atom, counts)

    def test_edges_stay_within_their_crystal(self, way: str) -> None:
        batch = connect([random_crystal(seed) for seed in range(8)], 5.0)
        sender, receiver = batch.edge_index
        assert torch.equal(batch.crystal_index[sender], batch.crystal_index[receiver])

    @pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True)])
    def test_the_batch_given_is_not_changed(self, pbc: tuple[bool, ...], way: str) -> None:
        batch = CrystalBatch.from_crystals([triclinic(), moved(triclinic(), pbc=pbc)])
        before = batch.clone()
        connected = attach_neighbours(batch, Neighbourhood(cutoff=4.0, max_neighbours=3))
        assert batch.edge_index is None
        assert connected.positions is batch.positions
        assert connected.cell is batch.cell
        for name in ("positions", "cell", "pbc", "atoms_per_crystal"):
            assert torch.equal(getattr(batch, name), getattr(before, name)), name

    def test_existing_edges_are_replaced(self) -> None:
        once = connect([triclinic()], 6.0)
        again = attach_neighbours(once, Neighbourhood(cutoff=4.0))
        assert edges_of(again) == edges_of(connect([triclinic()], 4.0))

    @pytest.mark.parametrize("cutoff", [3.0, 5.0, 9.0])
    def test_lengths_lie_between_zero_and_the_cutoff(self, cutoff: float, way: str) -> None:
        crystals = [random_crystal(seed) for seed in range(20)]
        lengths = lengths_of(connect(crystals, cutoff))
        assert 0.0 < lengths.min() < lengths.max() < cutoff

    def test_every_edge_has_its_reverse(self, way: str) -> None:
        edges = edges_of(connect([triclinic()], 6.0))
        reverse = [(j, i, -a, -b, -c) for i, j, a, b, c in edges]
        assert sorted(reverse) == edges

    def test_no_edge_is_found_twice(self, way: str) -> None:
        edges = edges_of(connect([hcp_magnesium()], 8.0))
        assert len(set(edges)) == len(edges)

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 10_000), cutoff=st.floats(1.0, 5.5))
    def test_as_brute_force(self, seed: int, cutoff: float) -> None:
        crystal = random_crystal(seed)
        assert edges_of(connect([crystal], cutoff)) == brute_force(crystal, cutoff)

    def test_a_batch_is_its_crystals(self, way: str) -> None:
        crystals = [random_crystal(seed) for seed in range(12)]
        together = [edges_of_part(columns) for columns, _, _ in parts_of(connect(crystals, 5.0))]
        assert together == [edges_of(connect([crystal], 5.0)) for crystal in crystals]


class TestSpecialCells:
    @pytest.mark.parametrize(
        ("cutoff", "neighbours"), [(2.4, 0), (2.5, 8), (2.9, 14), (4.1, 26), (4.8, 50), (5.0, 58)]
    )
    def test_one_atom_sees_its_images_in_shells(
        self, cutoff: float, neighbours: int, way: str
    ) -> None:
        """Shells of the body-centred cubic lattice: 8, 6, 12, 24, 8 atoms."""
        batch = connect([bcc_iron()], cutoff)
        assert batch.edges_per_atom.tolist() == [neighbours]
        assert not batch.edge_index.any()

    def test_a_cell_many_times_smaller_than_the_cutoff(self, way: str) -> None:
        """More pairs than room is made for at first, so that arrays grow."""
        batch = connect([bcc_iron(), triclinic()], 16.0)
        volume = bcc_iron().volume
        assert batch.edges_per_atom[0] == pytest.approx(4 / 3 * np.pi * 16**3 / volume, rel=0.01)
        capped = connect([bcc_iron(), triclinic()], 16.0, cap=8)
        assert capped.edges_per_atom[0] == 8
        assert edges_of(capped) == edges_of(connect([bcc_iron(), triclinic()], 5.0, cap=8))

    def test_isolated_atoms(self, way: str) -> None:
        batch = connect([moved(bcc_iron(), cell=20.0 * np.eye(3))], 6.0)
        assert batch.edge_index.shape == (2, 0)
        assert batch.cell_shift.shape == (0, 3)
        assert batch.edge_vectors().shape == (0, 3)
        assert batch.edges_per_atom.tolist() == [0]

    def test_isolated_atoms_beside_others(self, way: str) -> None:
        alone = moved(bcc_iron(), cell=20.0 * np.eye(3))
        for cap in (None, 3):
            batch = connect([alone, triclinic(), alone, bcc_iron(), alone], 3.0, cap)
            assert batch.edges_per_atom[[0, 6, 8]].tolist() == [0, 0, 0]
            assert edges_of_part(list(parts_of(batch))[3][0]) == edges_of(
                connect([bcc_iron()], 3.0, cap)
            )

    @pytest.mark.parametrize("slant", [1, 10, 30])
    def test_a_slanted_cell_of_a_cubic_lattice(self, slant: int, way: str) -> None:
        cell = [[3.0, 0, 0], [3.0 * slant, 3.0, 0], [0, 3.0 * slant, 3.0]]
        cubic, slanted = (
            Crystal(id="Po", atomic_numbers=[84], positions=[[0, 0, 0]], cell=lattice)
            for lattice in (3.0 * np.eye(3), cell)
        )
        found, wanted = (np.sort(lengths_of(connect([one], 6.1))) for one in (slanted, cubic))
        np.testing.assert_allclose(found, wanted, atol=1e-10)

    def test_a_wide_cell_with_room_for_boxes_in_every_direction(self, way: str) -> None:
        crystal = Crystal(
            id="slab",
            atomic_numbers=[1, 1],
            positions=[[0, 0, 0], [0.0, 0.7, 1.0]],
            cell=np.diag([400.0, 400.0, 8.0]),
        )
        assert connect([crystal], 2.0).num_edges == 2

    def test_a_long_cell(self, way: str) -> None:
        """Neighbours in two directions, and none in the third."""
        chain = moved(bcc_iron(), cell=np.diag([3.0, 3.0, 400.0]))
        assert connect([chain], 3.5).edges_per_atom.tolist() == [4]

    @pytest.mark.parametrize("seed", range(4))
    def test_unwrapped_positions(self, seed: int, way: str) -> None:
        """Atoms move by lattice vectors: the same lengths, and shifts that make up for it."""
        crystal = random_crystal(seed)
        steps = np.random.default_rng(seed).integers(-30, 30, (crystal.num_atoms, 3))
        far = moved(crystal, positions=crystal.positions + steps @ crystal.cell)
        near = edges_of(connect([crystal], 5.0))
        back = [
            (i, j, *(np.array(shift) + steps[j] - steps[i]).tolist())
            for i, j, *shift in edges_of(connect([far], 5.0))
        ]
        assert sorted(back) == near

    @pytest.mark.parametrize("distance", [2.0, 3.0])
    @pytest.mark.parametrize("seed", range(6))
    def test_a_pair_at_the_cutoff_is_out_however_the_crystal_is_turned(
        self, distance: float, seed: int, way: str
    ) -> None:
        """Rounding would find some of the six and lose others."""
        turned = moved(bcc_iron(), cell=distance * rotation(seed), positions=[[0.3, 0.2, 0.1]])
        assert connect([turned], distance).num_edges == 0
        assert connect([turned], distance + 1e-6).num_edges == 6
        assert connect([turned], np.sqrt(2.0) * distance).num_edges == 6
        assert connect([turned], np.sqrt(2.0) * distance + 1e-6).num_edges == 18


class TestOpenDirections:
    """Directions that are not periodic have no images, whatever the cell says about them."""

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        cutoff=st.floats(1.0, 5.5),
    )
    def test_as_brute_force(self, seed: int, pbc: tuple[bool, bool, bool], cutoff: float) -> None:
        crystal = random_crystal(seed, pbc)
        assert edges_of(connect([crystal], cutoff)) == brute_force(crystal, cutoff)

    def test_mixed_with_periodic_crystals(self, way: str) -> None:
        crystals = [
            random_crystal(seed, pbc) for seed, pbc in enumerate(product((True, False), repeat=3))
        ]
        found = [edges_of_part(columns) for columns, _, _ in parts_of(connect(crystals, 4.5))]
        assert found == [brute_force(crystal, 4.5) for crystal in crystals]

    def test_a_molecule_needs_no_cell(self, way: str) -> None:
        water = Crystal(
            id="water",
            atomic_numbers=[8, 1, 1],
            positions=[[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]],
            cell=np.zeros((3, 3)),
            pbc=[False] * 3,
        )
        assert [edge[:2] for edge in edges_of(connect([water], 1.2))] == [
            (0, 1),
            (0, 2),
            (1, 0),
            (2, 0),
        ]
        assert connect([water], 2.0).num_edges == 6

    def test_a_slab_does_not_see_its_image_across_the_vacuum(self, way: str) -> None:
        slab = {"cell": np.diag([3.0, 3.0, 4.0]), "positions": [[0, 0, 0], [0, 0, 3.5]]}
        slab |= {"atomic_numbers": [29, 29]}
        closed = connect([moved(bcc_iron(), **slab)], 2.0)
        opened = connect([moved(bcc_iron(), **slab, pbc=[True, True, False])], 2.0)
        assert (closed.num_edges, opened.num_edges) == (2, 0)

    @pytest.mark.parametrize("pbc", [(1, 1, 0), (1, 0, 0), (0, 0, 0)])
    @pytest.mark.timeout(20)
    def test_atoms_far_apart_in_an_open_direction(self, pbc: tuple[int, ...], way: str) -> None:
        """vesin's own open directions take minutes here, or end the process."""
        far = Crystal(
            id="far",
            atomic_numbers=[6, 6, 6],
            positions=[[0, 0, 0], [1, 500, 500], [1.5, 500, 500]],
            cell=4.0 * np.eye(3),
            pbc=[bool(flag) for flag in pbc],
        )
        far = far if not pbc[1] else moved(far, positions=far.positions * [1, 0, 1])
        edges = edges_of(connect([far], 2.0))
        assert edges == [(1, 2, 0, 0, 0), (2, 1, 0, 0, 0)]


class TestPrecision:
    @pytest.mark.parametrize("cap", [None, 6])
    def test_a_float32_batch_is_searched_in_float64(self, cap: int | None, way: str) -> None:
        crystals = [random_crystal(seed) for seed in range(10)]
        single = CrystalBatch.from_crystals(crystals, dtype=torch.float32)
        neighbourhood = Neighbourhood(cutoff=5.0, max_neighbours=cap)
        found = attach_neighbours(single, neighbourhood)
        exact = attach_neighbours(single.to(dtype=torch.float64), neighbourhood)
        assert found.positions.dtype == found.cell_shift.dtype == torch.float32
        assert torch.equal(found.edge_index, exact.edge_index)
        assert torch.equal(found.cell_shift.double(), exact.cell_shift)

    def test_a_pair_that_float32_arithmetic_would_lose(self) -> None:
        """The distance is 2⁻²⁶ below the cutoff; a difference in float32 rounds it up to it."""
        batch = CrystalBatch(
            atomic_numbers=torch.tensor([6, 6]),
            positions=torch.tensor([[-(2.0**-26), 0, 0], [-1.0, 0, 0]]),
            cell=9.0 * torch.eye(3)[None],
            pbc=torch.ones(1, 3, dtype=torch.bool),
            crystal_index=torch.tensor([0, 0]),
            atoms_per_crystal=torch.tensor([2]),
        )
        assert batch.positions[0, 0] - batch.positions[1, 0] == 1.0
        assert attach_neighbours(batch, Neighbourhood(cutoff=1.0)).num_edges == 2

    def test_gradients_pass_through_edge_vectors(self) -> None:
        batch = CrystalBatch.from_crystals([triclinic()])
        batch.positions.requires_grad_()
        connected = attach_neighbours(batch, Neighbourhood(cutoff=4.0))
        connected.edge_vectors().square().sum().backward()
        assert batch.positions.grad.isfinite().all()


class TestCap:
    @pytest.mark.parametrize(
        ("cap", "kept"), [(1, 6), (4, 6), (6, 6), (7, 18), (18, 18), (999, 26)]
    )
    def test_ties_are_kept_together(self, cap: int, kept: int, way: str) -> None:
        """Shells of rock salt: 6, 12 and 8 atoms."""
        batch = connect([sodium_chloride()], 5.0, cap)
        assert batch.edges_per_atom.tolist() == [kept, kept]

    def test_no_neighbours_at_all(self, way: str) -> None:
        batch = connect([sodium_chloride(), triclinic()], 5.0, 0)
        assert batch.edge_index.shape == (2, 0)
        assert batch.edges_per_atom.tolist() == [0] * 7

    @pytest.mark.parametrize("seed", range(6))
    def test_ties_survive_rotation(self, seed: int, way: str) -> None:
        turn = rotation(seed)
        crystal = sodium_chloride()
        turned = moved(crystal, cell=crystal.cell @ turn, positions=crystal.positions @ turn)
        assert connect([turned], 5.0, 7).edges_per_atom.tolist() == [18, 18]

    @settings(max_examples=60, deadline=None)
    @given(
        seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=4),
        cap=st.integers(1, 30),
        cutoff=st.floats(2.0, 6.0),
    )
    def test_as_sorting_atom_by_atom(self, seeds: list[int], cap: int, cutoff: float) -> None:
        crystals = [random_crystal(seed) for seed in seeds]
        expected = [shortest(*part, cap) for part in parts_of(connect(crystals, cutoff))]
        capped = connect(crystals, cutoff, cap)
        assert [edges_of_part(columns) for columns, _, _ in parts_of(capped)] == expected
        assert torch.equal(
            capped.edges_per_atom,
            torch.bincount(capped.edge_index[1], minlength=capped.num_atoms),
        )

    @pytest.mark.parametrize("seed", range(8))
    def test_the_order_of_atoms_does_not_matter(self, seed: int, way: str) -> None:
        crystal = random_crystal(seed)
        order = np.random.default_rng(seed).permutation(crystal.num_atoms)
        permuted = moved(
            crystal,
            positions=crystal.positions[order],
            atomic_numbers=crystal.atomic_numbers[order],
        )
        renamed = [
            (int(order[i]), int(order[j]), *shift)
            for i, j, *shift in edges_of(connect([permuted], 6.0, 12))
        ]
        assert sorted(renamed) == edges_of(connect([crystal], 6.0, 12))

    @pytest.mark.parametrize("seed", range(8))
    def test_periodic_images_do_not_matter(self, seed: int, way: str) -> None:
        crystal = random_crystal(seed)
        steps = np.random.default_rng(seed).integers(-3, 4, (crystal.num_atoms, 3))
        other = moved(crystal, positions=crystal.positions + steps @ crystal.cell)
        back = [
            (i, j, *(np.array(shift) + steps[j] - steps[i]).tolist())
            for i, j, *shift in edges_of(connect([other], 6.0, 12))
        ]
        assert sorted(back) == edges_of(connect([crystal], 6.0, 12))

    def test_the_other_crystals_of_a_batch_do_not_matter(self, way: str) -> None:
        crystals = [random_crystal(seed) for seed in range(10)]
        together = [
            edges_of_part(columns) for columns, _, _ in parts_of(connect(crystals, 6.0, 12))
        ]
        assert together == [edges_of(connect([crystal], 6.0, 12)) for crystal in crystals]


class TestRefusals:
    """What would hang or end the process inside the compiled search is refused before."""

    @pytest.mark.parametrize("field", ["positions", "cell"])
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_coordinates_that_are_not_finite(self, field: str, value: float, way: str) -> None:
        batch = CrystalBatch.from_crystals([triclinic()])
        getattr(batch, field).view(-1)[1] = value
        with pytest.raises(GeometryError, match="not finite"):
            attach_neighbours(batch, Neighbourhood(cutoff=4.0))

    @pytest.mark.parametrize("height", [0.0, 1e-300, 1e-9])
    def test_a_cell_without_volume(self, height: float, way: str) -> None:
        batch = CrystalBatch.from_crystals([bcc_iron(), triclinic()])
        batch.cell[1, 2] = batch.cell[1, 0] + batch.cell[1, 1]
        batch.cell[1, 2, 2] += height
        with pytest.raises(GeometryError, match="Crystal 'triclinic' has next to no volume"):
            attach_neighbours(batch, Neighbourhood(cutoff=4.0))

    @pytest.mark.parametrize("pbc", [True, False])
    def test_a_crystal_of_absurd_size(self, pbc: bool, way: str) -> None:
        """A cell in picometres, or a molecule whose atoms fly apart."""
        crystal = Crystal(
            id="huge",
            atomic_numbers=[1, 1],
            positions=[[0, 0, 0], [9e4, 0, 9e4]],
            cell=1e5 * np.eye(3),
            pbc=[pbc] * 3,
        )
        with pytest.raises(GeometryError, match=r"Crystal 'huge' is .* Å long"):
            connect([bcc_iron(), crystal], 4.0)

    @pytest.mark.parametrize("height", [1e-3, 1e-5])
    def test_a_nearly_flat_cell_would_be_searched_for_ever(self, height: float, way: str) -> None:
        batch = CrystalBatch.from_crystals([bcc_iron(), triclinic()])
        batch.cell[1] = torch.tensor([[30.0, 0, 0], [0, 30.0, 0], [15.0, 15.0, height]])
        with pytest.raises(GeometryError, match="Crystal 'triclinic' is too flat: its lattice"):
            attach_neighbours(batch, Neighbourhood(cutoff=6.0))

    @pytest.mark.parametrize("thin", [0, 1, 2])
    @pytest.mark.parametrize(("width", "cutoff"), [(1000.0, 2.0), (900.0, 1.0)])
    def test_a_wide_flat_cell_would_end_the_process(
        self, thin: int, width: float, cutoff: float, way: str
    ) -> None:
        lengths = np.full(3, width)
        lengths[thin] = 1.5 * cutoff
        crystal = Crystal(
            id="foil", atomic_numbers=[1], positions=[[0, 0, 0]], cell=np.diag(lengths)
        )
        with pytest.raises(GeometryError, match=rf"{1.5 * cutoff:.2g} Å apart in one direction"):
            connect([bcc_iron(), crystal], cutoff)

    def test_crystals_without_ids_are_counted(self) -> None:
        batch = CrystalBatch.from_crystals([bcc_iron(0.02)] * 2)
        batch.cell[0] *= 100.0
        batch.ids = ()
        with pytest.raises(GeometryError, match="Crystal 1 of the batch has next to no volume"):
            attach_neighbours(batch, Neighbourhood(cutoff=9.0))

    def test_a_cell_a_hundred_times_too_small(self) -> None:
        """A crystal that passes every check of its own."""
        batch = CrystalBatch.from_crystals([bcc_iron(0.02)])
        with pytest.raises(GeometryError) as caught:
            attach_neighbours(batch, Neighbourhood(cutoff=9.0))
        assert str(caught.value) == (
            "Crystal 'Fe' has next to no volume: it would have more than 1e+08 edges "
            "within 9 Å. Are its lattice vectors independent rows, in Å?"
        )

    def test_a_cutoff_that_is_too_long_is_blamed_and_no_crystal(self, way: str) -> None:
        with pytest.raises(GeometryError) as caught:
            connect([bcc_iron(), triclinic()], 5000.0)
        assert str(caught.value) == (
            "Crystal 'Fe' would have more than 1e+08 edges within the cutoff of 5000 Å; lower "
            "that, to 4 to 12 Å as a rule."
        )


def same_pairs(one: _pairs.Pairs, other: _pairs.Pairs) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in ("atoms", "shifts", "lengths", "per_crystal")
    )


class TestBothWays:
    """The direct call of vesin's C function, and its class, of which only the second is public."""

    @pytest.fixture
    def library(self) -> Any:
        found = _pairs._library()
        if found is None:
            pytest.skip("this release of vesin has another C interface; only its class is used")
        return found

    @staticmethod
    def arrays(batch: CrystalBatch) -> tuple[NDArray[Any], ...]:
        return tuple(
            tensor.numpy()
            for tensor in (batch.positions, batch.cell, batch.pbc, batch.atoms_per_crystal)
        )

    @pytest.mark.parametrize("lengths", [True, False])
    @pytest.mark.parametrize("cutoff", [0.5, 3.0, 7.0])
    def test_they_agree_bit_by_bit(
        self, library: Any, monkeypatch: pytest.MonkeyPatch, cutoff: float, lengths: bool
    ) -> None:
        crystals = [random_crystal(seed) for seed in range(40)] + [bcc_iron()]
        arrays = self.arrays(CrystalBatch.from_crystals(crystals))
        direct = _pairs.find_pairs(*arrays, cutoff, lengths=lengths)
        monkeypatch.setattr(_pairs, "_library", lambda: None)
        public = _pairs.find_pairs(*arrays, cutoff, lengths=lengths)
        assert same_pairs(direct, public)
        assert direct.lengths.shape == (len(direct.atoms) if lengths else 0,)

    def test_arrays_in_other_memory_layouts(self, way: str) -> None:
        """Views with strides, big-endian and integer arrays are copied, not misread."""
        batch = CrystalBatch.from_crystals([random_crystal(seed) for seed in range(5)])
        positions, cells, pbc, counts = self.arrays(batch)
        expected = _pairs.find_pairs(positions, cells, pbc, counts, 5.0)
        spread = np.zeros((len(positions), 7))
        spread[:, 1:7:2] = positions
        odd = (spread[:, 1:7:2], cells.astype(">f8"), pbc[:, ::1], counts.astype(np.int32))
        assert same_pairs(_pairs.find_pairs(*odd, 5.0), expected)

    def test_threads_do_not_disturb_each_other(self, way: str) -> None:
        """The C function runs without Python's lock."""
        batches = [
            self.arrays(CrystalBatch.from_crystals([random_crystal(k) for k in range(n, n + 9)]))
            for n in range(16)
        ]

        def search(arrays: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], NDArray[Any]]:
            return find_edges(*arrays, Neighbourhood(cutoff=7.0))

        expected = [search(arrays) for arrays in batches]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(search, batches))
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one[0], other[0])
            assert np.array_equal(one[1], other[1])

    def test_errors_of_the_search_are_raised(self, way: str) -> None:
        arrays = self.arrays(CrystalBatch.from_crystals([triclinic()]))
        with pytest.raises(RuntimeError, match="cutoff"):
            _pairs.find_pairs(*arrays, -1.0)

    def test_the_interface_is_supported(self, library: Any) -> None:
        assert _pairs._is_supported(_pairs._c_api, _pairs._c_lib.get_library())

    @pytest.mark.parametrize("name", ["VesinDevice", "VesinOptions", "VesinNeighborList"])
    def test_another_structure_is_not_trusted(self, library: Any, name: str) -> None:
        """A later vesin may add a field: then the class is used until this module is adapted."""
        types = SimpleNamespace(**{key: getattr(_pairs._c_api, key) for key in _pairs._FIELDS})
        fields = [*getattr(types, name)._fields_, ("another", ctypes.c_int)]
        changed = type(name, (ctypes.Structure,), {"_fields_": fields})
        arguments = [
            {
                getattr(types, name): changed,
                ctypes.POINTER(getattr(types, name)): ctypes.POINTER(changed),
            }.get(argument, argument)
            for argument in _pairs._c_lib.get_library().vesin_neighbors.argtypes
        ]
        setattr(types, name, changed)
        function = SimpleNamespace(argtypes=arguments)
        assert not _pairs._is_supported(types, SimpleNamespace(vesin_neighbors=function))

    def test_another_signature_is_not_trusted(self, library: Any) -> None:
        known = _pairs._c_lib.get_library().vesin_neighbors.argtypes
        function = SimpleNamespace(argtypes=[*known, ctypes.c_int])
        assert not _pairs._is_supported(_pairs._c_api, SimpleNamespace(vesin_neighbors=function))
        assert not _pairs._is_supported(_pairs._c_api, SimpleNamespace())
        assert not _pairs._is_supported(SimpleNamespace(), _pairs._c_lib.get_library())

    def test_the_class_keeps_its_argument_types(self, library: Any) -> None:
        """Both ways share one loaded library, and may take turns."""
        assert library[0] is not _pairs._c_lib.get_library().vesin_neighbors
        expected = edges_of(connect([triclinic()], 5.0))
        found = _pairs.vesin.NeighborList(cutoff=5.0, full_list=True).compute(
            triclinic().positions, triclinic().cell, True, "ijS"
        )
        columns = np.column_stack([found[0], found[1], found[2]]).astype(np.int64)
        assert edges_of_part(columns) == expected

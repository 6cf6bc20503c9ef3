"""Symmetry-distinct atoms: found right, kept right, and worth the whole crystal."""

import json
import pickle
from dataclasses import fields, replace
from importlib import metadata

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from matsciml_core import (
    AsymmetricUnit,
    Crystal,
    CrystalBatch,
    Dataset,
    MessageGraph,
    Neighbourhood,
    Orbits,
    Provenance,
    TargetInfo,
)
from matsciml_core.data import (
    CrystalStore,
    CrystalStoreWriter,
    StoreDataset,
    attach_asymmetric_unit,
    attach_neighbours,
    write_symmetry,
)
from matsciml_core.data.loader import BatchSource
from matsciml_core.data.neighbours.edges import EdgeSource, NeighbourCache, attach
from matsciml_core.data.symmetry.orbits import OrbitSource, find_orbits, orbits_of
from matsciml_core.errors import DataError
from matsciml_core.nn.segments import segment_gather, segment_mean, segment_sum
from matsciml_core.testing.crystals import (
    bcc_iron,
    hcp_magnesium,
    rutile,
    simple_cubic,
    sodium_chloride,
    triclinic,
)
from matsciml_core.testing.transforms import supercell, transform

SAMPLES = [rutile(), triclinic(), hcp_magnesium(), bcc_iron(), sodium_chloride()]


def crystal_of_group(number: int) -> Crystal:
    """A crystal of some space group: one species in general position, one at the origin."""
    symbol_lattice = {
        range(1, 3): Lattice.from_parameters(5.1, 5.7, 6.3, 82, 97, 104),
        range(3, 16): Lattice.monoclinic(5.1, 5.7, 6.3, 103),
        range(16, 75): Lattice.orthorhombic(5.6, 6.4, 7.1),
        range(75, 143): Lattice.tetragonal(6.6, 7.9),
        range(143, 195): Lattice.hexagonal(7.1, 9.3),
        range(195, 231): Lattice.cubic(9.7),
    }
    lattice = next(value for key, value in symbol_lattice.items() if number in key)
    structure = Structure.from_spacegroup(
        number, lattice, ["Ti", "O"], [[0, 0, 0], [0.137, 0.211, 0.083]]
    ).get_primitive_structure()
    return Crystal(
        id=str(number),
        atomic_numbers=np.array(structure.atomic_numbers),
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
    )


def whole_batch(*crystals: Crystal, cutoff: float = 5.0) -> CrystalBatch:
    return attach_neighbours(CrystalBatch.from_crystals(crystals), Neighbourhood(cutoff=cutoff))


def some_network(batch: CrystalBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Atom features, crystal features and atom vectors after two rounds, the second on moved atoms.

    Written on a message graph, with a coordinate update, edge statistics per crystal, and every
    kind of reduction.
    """
    graph = MessageGraph.of(batch)
    features = graph.atomic_numbers.to(torch.float64).unsqueeze(1) * torch.tensor([0.02, 0.05])
    moved = torch.zeros(len(features), 3, dtype=torch.float64)
    for _ in range(2):
        vectors = batch.edge_vectors() + graph.differences(moved)
        length = vectors.norm(dim=1, keepdim=True)
        message = features.index_select(0, graph.sender) * torch.exp(-length)
        message = message * (1 + segment_gather(features, graph.incoming))
        mean_edge = segment_mean(message, graph.edges)
        pushed = graph.allowed(segment_sum(vectors * message[:, :1], graph.incoming))
        moved = moved + 0.2 * pushed
        features = features + segment_sum(message, graph.incoming)
        features = features + segment_gather(mean_edge, graph.nodes)
    crystals = torch.cat((segment_mean(features, graph.nodes), segment_sum(features, graph.nodes)))
    return graph.to_atoms(features), crystals, graph.vectors_to_atoms(moved)


def assert_worth_the_whole(
    *crystals: Crystal, expect_fewer: bool = True, **neighbourhood: object
) -> None:
    """Compare full graphs with those of distinct atoms, and with those of edges that differ."""
    whole = CrystalBatch.from_crystals(crystals)
    expected = some_network(attach_neighbours(whole, Neighbourhood(**neighbourhood)))
    plain = attach_asymmetric_unit(whole)
    counts = [attach_neighbours(whole, Neighbourhood(**neighbourhood)).num_edges]
    for uses in ("edges", "vectors"):
        edges = EdgeSource(Neighbourhood(**neighbourhood, uses=uses))
        batch = attach(plain, edges.find(plain, range(len(crystals))))
        counts.append(batch.num_edges)
        for found, wanted in zip(some_network(batch), expected, strict=True):
            scale = wanted.abs().max()
            torch.testing.assert_close(found / scale, wanted / scale, rtol=0, atol=1e-6)
    assert counts == sorted(counts, reverse=True)
    assert (counts[1] < counts[0]) == expect_fewer


class TestFindOrbits:
    def test_rutile_has_two_distinct_atoms(self):
        assert orbits_of(rutile()).representative.tolist() == [0, 0, 2, 2, 2, 2]

    def test_a_crystal_without_symmetry_has_only_distinct_atoms(self):
        assert orbits_of(triclinic()).representative.tolist() == [0, 1, 2, 3, 4]

    def test_the_representative_stands_for_itself(self):
        orbits = orbits_of(rutile())
        for atom in (0, 2):
            assert np.array_equal(orbits.rotation[atom], np.eye(3))

    def test_operations_map_the_surroundings_of_one_atom_onto_the_other(self):
        batch = whole_batch(rutile(), cutoff=4.0)
        orbits = orbits_of(rutile())
        vectors, receiver = batch.edge_vectors().numpy(), batch.edge_index[1].numpy()
        cell = rutile().cell
        for atom, (representative, rotation) in enumerate(
            zip(orbits.representative, orbits.rotation, strict=True)
        ):
            cartesian = np.linalg.inv(cell) @ rotation.T @ cell
            carried = vectors[receiver == representative] @ cartesian
            miss = np.linalg.norm(carried[:, None] - vectors[receiver == atom][None], axis=2)
            assert miss.min(axis=1).max() < 1e-9

    def test_different_elements_are_never_equivalent(self):
        mixed = replace(hcp_magnesium(), atomic_numbers=np.array([12, 13], dtype=np.uint8))
        assert orbits_of(mixed).representative.tolist() == [0, 1]

    def test_atoms_outside_the_cell_are_found(self):
        crystal = rutile()
        shifted = crystal.positions + np.array([[3, -2, 1]] * 6) @ crystal.cell
        moved = replace(crystal, positions=shifted)
        assert orbits_of(moved).representative.tolist() == [0, 0, 2, 2, 2, 2]

    def test_translations_of_a_supercell_count_as_symmetry(self):
        repeated, _ = supercell(triclinic(), np.diag([2, 1, 1]))
        assert len(np.unique(orbits_of(repeated).representative)) == 5

    @pytest.mark.parametrize("miss", [3e-4, 3e-2])
    def test_the_tolerance_decides(self, miss):
        crystal = rutile()
        positions = crystal.positions.copy()
        positions[3, 2] += miss
        distinct = len(np.unique(orbits_of(replace(crystal, positions=positions)).representative))
        assert (distinct == 2) == (miss < 1e-3)

    def test_a_slab_keeps_all_its_atoms(self):
        orbits = orbits_of(replace(rutile(), pbc=np.array([True, True, False])))
        assert orbits.representative.tolist() == list(range(6))

    def test_a_search_that_fails_keeps_all_atoms(self):
        # Two atoms closer than the tolerance: no operation can be told from another.
        orbits = find_orbits(
            np.array([1, 1]),
            np.array([[0, 0, 0], [0, 0, 0.0005]]),
            np.eye(3),
            np.ones(3, dtype=bool),
        )
        assert orbits.representative.tolist() == [0, 1]


class TestSites:
    def test_orders_are_those_of_the_site_symmetries(self):
        """Rutile, P4_2/mnm: titanium on mmm, oxygen on m2m."""
        orbits = orbits_of(rutile())
        assert orbits.site_order[[0, 2]].tolist() == [8, 4]

    def test_oxygen_may_move_along_its_bond_only(self):
        unit = attach_asymmetric_unit(CrystalBatch.from_crystals([rutile()])).asymmetric_unit
        along = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
        across = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
        torch.testing.assert_close(along @ unit.site[1], along)
        torch.testing.assert_close(across @ unit.site[1], torch.zeros_like(across))
        torch.testing.assert_close(unit.site[0], torch.zeros_like(unit.site[0]))

    def test_sums_of_edge_vectors_are_allowed(self):
        batch = attach_asymmetric_unit(whole_batch(*SAMPLES))
        graph = MessageGraph.of(batch)
        vectors = batch.edge_vectors()
        decay = torch.exp(-vectors.norm(dim=1, keepdim=True))
        sums = segment_sum(vectors * decay, graph.incoming)
        torch.testing.assert_close(graph.allowed(sums), sums)


class TestAsymmetricUnit:
    def test_multiplicities_add_up_to_the_atoms(self):
        batch = attach_asymmetric_unit(CrystalBatch.from_crystals(SAMPLES))
        unit = batch.asymmetric_unit
        assert unit.atoms_per_crystal.tolist() == [2, 5, 1, 1, 2]
        assert unit.multiplicity.tolist() == [2, 4, 1, 1, 1, 1, 1, 2, 1, 1, 1]
        assert int(unit.multiplicity.sum()) == batch.num_atoms

    def test_rotations_are_orthogonal(self):
        batch = attach_asymmetric_unit(CrystalBatch.from_crystals([hcp_magnesium(), rutile()]))
        rotation = batch.asymmetric_unit.rotation
        identity = torch.eye(3, dtype=torch.float64).expand_as(rotation)
        torch.testing.assert_close(rotation @ rotation.transpose(1, 2), identity)

    def test_every_edge_enters_a_distinct_atom(self):
        batch = attach_asymmetric_unit(whole_batch(*SAMPLES))
        assert torch.isin(batch.edge_index[1], batch.asymmetric_unit.atoms).all()
        assert batch.edges_per_atom.sum() == batch.num_edges

    def test_it_follows_the_batch_in_type_and_memory(self):
        batch = attach_asymmetric_unit(whole_batch(*SAMPLES))
        single = batch.to(dtype=torch.float32).asymmetric_unit
        assert single.rotation.dtype == single.multiplicity.dtype == torch.float32
        assert single.atoms.dtype == torch.int64
        copy = batch.clone().asymmetric_unit
        assert copy.atoms.data_ptr() != batch.asymmetric_unit.atoms.data_ptr()

    def test_a_batch_without_edges_has_none(self):
        batch = attach_asymmetric_unit(whole_batch(*SAMPLES))
        assert batch.without_edges().asymmetric_unit is None

    def test_no_symmetry_gives_the_whole_crystal(self):
        orbits = Orbits.trivial(5)
        batch = whole_batch(triclinic())
        unit = AsymmetricUnit.from_orbits(
            orbits, batch.cell, batch.crystal_index, batch.atoms_per_crystal
        )
        for found, expected in zip(
            some_network(replace(batch, asymmetric_unit=unit)), some_network(batch), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


class TestWorthTheWhole:
    def test_in_one_batch(self):
        assert_worth_the_whole(*SAMPLES, cutoff=5.0)

    def test_after_a_rotation(self):
        turned = [
            transform(one, np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0])
            for one in SAMPLES
        ]
        assert_worth_the_whole(*turned, cutoff=5.0)

    def test_with_a_cap_on_neighbours(self):
        assert_worth_the_whole(*SAMPLES, cutoff=6.0, max_neighbours=12)

    @pytest.mark.parametrize("number", [2, 5, 14, 19, 62, 82, 92, 122, 143, 152, 167, 194, 198])
    def test_in_a_space_group(self, number):
        assert_worth_the_whole(crystal_of_group(number), cutoff=4.0)

    @pytest.mark.slow
    @pytest.mark.parametrize("number", range(2, 231))
    def test_in_every_space_group(self, number):
        assert_worth_the_whole(crystal_of_group(number), cutoff=4.0)

    def test_nothing_is_saved_without_symmetry(self):
        assert_worth_the_whole(triclinic(), expect_fewer=False, cutoff=5.0)


INFO = TargetInfo(name="energy", kind="scalar", unit="eV")
PROVENANCE = Provenance(source="test", licence="CC0-1.0")


@pytest.fixture
def folder(tmp_path):
    with CrystalStoreWriter(tmp_path / "store", [INFO], PROVENANCE) as writer:
        for crystal in SAMPLES:
            writer.add(crystal)
    return tmp_path / "store"


class TestStored:
    def test_it_is_what_is_found(self, folder):
        write_symmetry(folder)
        stored = StoreDataset(folder).orbits([2, 0], 1e-3)
        for one, crystal in zip(stored, (SAMPLES[2], SAMPLES[0]), strict=True):
            found = orbits_of(crystal)
            for field in fields(Orbits):
                assert np.array_equal(getattr(one, field.name), getattr(found, field.name))

    def test_it_says_how_much_it_saves(self, folder):
        assert write_symmetry(folder) == pytest.approx(16 / 11)

    def test_the_index_says_what_found_it(self, folder):
        write_symmetry(folder)
        index = json.loads((folder / "index.json").read_text())
        assert index["symmetry"]["engine"] == f"moyopy {metadata.version('moyopy')}"

    def test_another_tolerance_is_not_served(self, folder):
        write_symmetry(folder, symprec=1e-2)
        assert StoreDataset(folder).orbits([0], 1e-3) is None
        assert StoreDataset(folder).orbits([0], 1e-2) is not None

    def test_a_store_without_it_serves_none(self, folder):
        assert StoreDataset(folder).orbits([0], 1e-3) is None

    def test_records_stay_as_they_were(self, folder):
        before = CrystalStore(folder).meta["content_hash"]
        write_symmetry(folder)
        store = CrystalStore(folder)
        store.verify()
        assert store.meta["content_hash"] == before

    def test_a_choice_of_crystals_is_followed(self, folder):
        write_symmetry(folder)
        dataset = StoreDataset(folder)
        dataset.keep_only([3, 0])
        assert [len(one.representative) for one in dataset.orbits([0, 1], 1e-3)] == [1, 6]

    def test_it_travels_to_other_processes_as_a_name(self, folder):
        write_symmetry(folder)
        dataset = StoreDataset(folder)
        dataset.orbits([0], 1e-3)
        sent = pickle.dumps(dataset)
        assert b"symmetry.bin" in sent
        assert len(pickle.loads(sent).orbits([0], 1e-3)[0].representative) == 6

    def test_a_cut_file_is_refused(self, folder):
        write_symmetry(folder)
        path = folder / "symmetry.bin"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(DataError, match="is incomplete"):
            StoreDataset(folder).orbits([0], 1e-3)

    def test_a_missing_file_is_refused(self, folder):
        write_symmetry(folder)
        (folder / "symmetry.bin").unlink()
        with pytest.raises(DataError, match="cannot be read"):
            StoreDataset(folder).orbits([0], 1e-3)


class InMemory(Dataset):
    targets = {INFO.name: INFO}
    provenance = PROVENANCE

    def __len__(self) -> int:
        return len(SAMPLES)

    def __getitem__(self, index: int) -> Crystal:
        return SAMPLES[index]


class TestBatchSource:
    @pytest.mark.parametrize("cached", [True, False])
    @pytest.mark.parametrize("stored", [True, False])
    def test_it_serves_what_the_whole_batch_reduces_to(self, folder, cached, stored):
        if stored:
            write_symmetry(folder)
        dataset = StoreDataset(folder) if stored else InMemory()
        source = BatchSource(
            dataset,
            np.arange(5),
            neighbourhood=Neighbourhood(cutoff=5.0),
            labels=(),
            dtype=torch.float64,
            cache=NeighbourCache() if cached else None,
            orbits=OrbitSource(dataset),
        )
        for places in ([0], [1, 0, 4], [4, 3, 2, 1, 0]):
            expected = attach_asymmetric_unit(whole_batch(*(SAMPLES[k] for k in places)))
            found = source[places]
            assert torch.equal(found.edge_index, expected.edge_index)
            assert torch.equal(found.cell_shift, expected.cell_shift)
            assert torch.equal(found.edges_per_atom, expected.edges_per_atom)
            for field in fields(AsymmetricUnit):
                one, other = (getattr(b.asymmetric_unit, field.name) for b in (found, expected))
                assert (one is None and other is None) or torch.equal(one, other)

    def test_symmetry_is_searched_once(self, monkeypatch):
        source = OrbitSource(InMemory())
        batch = CrystalBatch.from_crystals(SAMPLES[:2])
        source.unit(batch, [0, 1])
        monkeypatch.setattr("matsciml_core.data.symmetry.orbits.orbits_of", None)
        assert source.unit(batch, [0, 1]).atoms.tolist() == [0, 2, 6, 7, 8, 9, 10]

    def test_without_a_neighbourhood_there_is_nothing_to_reduce(self):
        dataset = InMemory()
        source = BatchSource(
            dataset, np.arange(5), neighbourhood=None, labels=(), orbits=OrbitSource(dataset)
        )
        assert source[[0]].asymmetric_unit is None


def test_the_largest_cell_that_a_place_can_name():
    big, _ = supercell(simple_cubic(3.0), np.diag([7, 7, 7]))
    assert orbits_of(big).representative.tolist() == [0] * 343

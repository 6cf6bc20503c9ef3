"""Crystals and batches as objects of other packages: nothing is lost on the way."""

from __future__ import annotations

import pickle
import sys
from dataclasses import fields, replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from matsciml_core.convert import (
    from_ase,
    from_dgl,
    from_pyg,
    from_pymatgen,
    import_package,
    to_ase,
    to_dgl,
    to_pyg,
    to_pymatgen,
)
from matsciml_core.data import attach_neighbours
from matsciml_core.errors import GeometryError, MatSciMLError, MissingPackageError, ShapeError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.interfaces.symmetry import AsymmetricUnit, Orbits
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.crystals import all_crystals, isolated_atom

TARGETS = (
    TargetInfo(name="energy", kind="energy", unit="eV"),
    # PyTorch Geometric treats names with "index" or "batch" in them in a way of its own.
    TargetInfo(name="refractive_index", kind="scalar", unit="dimensionless"),
    TargetInfo(name="batch_metal", kind="binary", unit="class"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
    TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True),
    TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
)
NEIGHBOURS = Neighbourhood(cutoff=4.0)


def needs(package: str) -> pytest.MarkDecorator:
    """Skip where an optional package is missing."""
    missing = find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


def labelled(crystal: Crystal, number: int) -> Crystal:
    """Give a crystal labels of every shape, one of them missing in every other crystal."""
    random = np.random.default_rng(number)
    strain = random.normal(size=(3, 3))
    labels = {
        "energy": float(random.normal()),
        "batch_metal": number % 2,
        "forces": random.normal(size=(crystal.num_atoms, 3)),
        "charge": random.normal(size=crystal.num_atoms),
        "stress": strain + strain.T,
    }
    if number % 2:
        labels["refractive_index"] = float(random.normal())
    return replace(crystal, labels=labels)


def slab() -> Crystal:
    """Return three atoms in a left-handed cell that is open along c, one atom outside of it."""
    return Crystal(
        id="slab",
        atomic_numbers=[29, 8, 1],
        positions=[[0.1, 0.2, 0.3], [9.0, -4.0, 1.9], [0.5, 2.0, 3.5]],
        cell=[[3.0, 0.0, 0.0], [1.0, 3.5, 0.0], [0.2, -0.4, -20.0]],
        pbc=[True, True, False],
    )


def marked() -> Crystal:
    """Return the slab with an atom that is held in place, and with ASE's tags."""
    return replace(slab(), id="marked", site_properties={"fixed": [1, 0, 0], "tags": [0, 1, 2]})


CRYSTALS = [
    labelled(one, k)
    for k, one in enumerate([*all_crystals(), marked(), slab(), isolated_atom(4.0)])
]


@pytest.fixture
def batch() -> CrystalBatch:
    """Crystals of every kind with edges, labels and datasets."""
    made = CrystalBatch.from_crystals(CRYSTALS, TARGETS)
    made.dataset_index = torch.arange(len(CRYSTALS)) % 3
    return attach_neighbours(made, NEIGHBOURS)


def assert_same_batch(found: CrystalBatch, wanted: CrystalBatch) -> None:
    """Compare two batches bit by bit."""
    for field in fields(CrystalBatch):
        mine, theirs = getattr(found, field.name), getattr(wanted, field.name)
        if isinstance(theirs, torch.Tensor):
            assert mine.dtype == theirs.dtype, field.name
            assert torch.equal(mine, theirs), field.name
        elif field.name in ("targets", "site_properties"):
            assert list(mine) == list(theirs)
            for name, values in theirs.items():
                assert mine[name].dtype == values.dtype
                assert torch.equal(mine[name].nan_to_num(9.5), values.nan_to_num(9.5)), name
        elif field.name == "ids":
            assert list(mine) == list(theirs)
        else:
            assert mine == theirs, field.name


def assert_same_crystal(found: Crystal, wanted: Crystal, *, exact: bool) -> None:
    """Compare two crystals; pymatgen keeps fractional coordinates, which costs a last digit."""
    tolerance = 0 if exact else 1e-13
    assert found.id == wanted.id
    assert found.atomic_numbers.tolist() == wanted.atomic_numbers.tolist()
    np.testing.assert_allclose(found.positions, wanted.positions, rtol=0, atol=tolerance * 10)
    np.testing.assert_array_equal(found.cell, wanted.cell)
    np.testing.assert_array_equal(found.pbc, wanted.pbc)
    assert found.labels.keys() == wanted.labels.keys()
    for name, value in wanted.labels.items():
        np.testing.assert_array_equal(found.labels[name], value)
    if exact:
        assert found.site_properties.keys() == wanted.site_properties.keys()
        for name, values in wanted.site_properties.items():
            np.testing.assert_array_equal(found.site_properties[name], values)


def reduced(batch: CrystalBatch) -> CrystalBatch:
    """Say that the batch has edges into symmetry-distinct atoms only."""
    orbits = Orbits.trivial(batch.num_atoms)
    unit = AsymmetricUnit.from_orbits(
        orbits,
        batch.cell,
        batch.crystal_index,
        batch.atoms_per_crystal,
    )
    return replace(batch, asymmetric_unit=unit)


@pytest.mark.parametrize("package", ["ase", "dgl", "torch_geometric"])
def test_a_missing_package_gets_one_sentence(package, batch, monkeypatch):
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(sys, "meta_path", [_Hides(package), *sys.meta_path])
    from matsciml_core.convert import pyg

    pyg.data_class.cache_clear()
    convert = {
        "ase": partial(to_ase, CRYSTALS[0]),
        "dgl": partial(to_dgl, batch),
        "torch_geometric": partial(to_pyg, batch),
    }[package]
    with pytest.raises(MissingPackageError) as caught:
        convert()
    assert isinstance(caught.value, MatSciMLError)
    assert str(caught.value).startswith(f"This needs {package}, which is not installed; run: pip")


class _Hides:
    """Makes a package impossible to find."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


class TestPymatgen:
    @pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda one: one.id)
    def test_round_trip(self, crystal):
        assert_same_crystal(from_pymatgen(to_pymatgen(crystal)), crystal, exact=False)

    def test_what_pymatgen_sees(self):
        crystal = CRYSTALS[-2]
        structure = to_pymatgen(crystal)
        assert structure.composition.reduced_formula == "CuHO"
        assert structure.pbc == (True, True, False)
        assert structure.volume == pytest.approx(210.0)
        assert structure.site_properties.keys() == {"forces", "charge"}
        assert structure.properties["id"] == "slab"
        np.testing.assert_allclose(structure.properties["stress"], crystal.labels["stress"])
        # The image of atom 2 one step back along b is nearer than atom 2 itself.
        assert structure.get_distance(0, 2) == pytest.approx(np.linalg.norm([0.6, 1.7, 3.2]))

    def test_survives_a_file_of_pymatgen(self, tmp_path):
        from pymatgen.core import Structure

        crystal = CRYSTALS[0]
        to_pymatgen(crystal).to(tmp_path / "one.json")
        found = from_pymatgen(Structure.from_file(tmp_path / "one.json"))
        assert found.id == crystal.id
        np.testing.assert_array_equal(found.labels["forces"], crystal.labels["forces"])

    def test_foreign_structure(self):
        from pymatgen.core import Lattice, Structure

        structure = Structure(
            Lattice.cubic(4.2),
            ["Mg2+", "O2-"],
            [[0, 0, 0], [0.5, 0.5, 0.5]],
            site_properties={"magmom": [1.5, None], "wyckoff": ["a", "b"]},
            properties={"gap": 4.5, "metal": False, "source": "by hand", "ragged": [[1], [1, 2]]},
        )
        found = from_pymatgen(structure)
        assert found.id == "MgO"
        assert found.atomic_numbers.tolist() == [12, 8]
        assert found.labels.keys() == {"gap", "metal", "magmom"}
        assert (found.labels["gap"], found.labels["metal"]) == (4.5, 0)
        np.testing.assert_array_equal(found.labels["magmom"], [1.5, np.nan])
        assert from_pymatgen(structure, id="mine").id == "mine"

    def test_spins_of_species_are_a_label(self):
        core = pytest.importorskip("pymatgen.core")
        species = [core.Species("Fe", 3, spin=5), core.Species("Fe", 3, spin=-5), "O"]
        places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]
        crystal = from_pymatgen(core.Structure(core.Lattice.cubic(4), species, places))
        np.testing.assert_array_equal(crystal.labels["spin"], [5, -5, np.nan])

    @pytest.mark.parametrize("species", [{"Mg": 0.5, "Fe": 0.5}, {"Mg": 0.9}])
    def test_disorder_is_refused(self, species):
        from pymatgen.core import Lattice, Structure

        structure = Structure(Lattice.cubic(4.2), [species, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        with pytest.raises(GeometryError, match="'half' has sites that several species share"):
            from_pymatgen(structure, id="half")

    def test_something_else_is_refused(self):
        with pytest.raises(ShapeError, match="was given a list"):
            from_pymatgen([])

    def test_no_lattice(self):
        atom = Crystal(
            id="atom", atomic_numbers=[2], positions=[[0, 0, 0]], cell=np.zeros((3, 3)), pbc=False
        )
        with pytest.raises(GeometryError, match="'atom' has no lattice"):
            to_pymatgen(atom)


@needs("ase")
class TestASE:
    @pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda one: one.id)
    def test_round_trip(self, crystal):
        assert_same_crystal(from_ase(to_ase(crystal)), crystal, exact=True)

    def test_what_ase_sees(self):
        crystal = CRYSTALS[-2]
        atoms = to_ase(crystal)
        assert atoms.get_potential_energy() == crystal.labels["energy"]
        np.testing.assert_array_equal(atoms.get_forces(), crystal.labels["forces"])
        np.testing.assert_array_equal(atoms.get_stress(voigt=False), crystal.labels["stress"])
        np.testing.assert_array_equal(atoms.arrays["charge"], crystal.labels["charge"])
        assert atoms.info["id"] == "slab"
        assert atoms.pbc.tolist() == [True, True, False]

    def test_stress_has_the_sign_of_a_calculator(self):
        """A stretched crystal pulls: positive, here and in ASE."""
        from ase.build import bulk
        from ase.calculators.emt import EMT

        atoms = bulk("Cu", a=3.8)
        atoms.calc = EMT()
        stress = atoms.get_stress(voigt=False)
        crystal = from_ase(atoms)
        assert stress[0, 0] > 0.01
        np.testing.assert_array_equal(crystal.labels["stress"], stress)
        assert crystal.labels["energy"] == atoms.get_potential_energy()
        np.testing.assert_array_equal(to_ase(crystal).get_stress(voigt=False), stress)

    def test_nothing_is_calculated_and_nothing_stale_is_taken(self):
        from ase.build import bulk
        from ase.calculators.emt import EMT

        atoms = bulk("Cu", a=3.8, cubic=True)
        atoms.calc = EMT()
        assert from_ase(atoms).labels == {}
        atoms.get_forces()
        assert from_ase(atoms).labels.keys() >= {"energy", "forces"}
        atoms.positions[0, 0] += 0.1
        assert from_ase(atoms).labels == {}

    def test_forces_are_those_before_constraints(self):
        from ase.constraints import FixAtoms

        atoms = to_ase(CRYSTALS[1])
        atoms.set_constraint(FixAtoms([0]))
        assert not atoms.get_forces()[0].any()
        found = from_ase(atoms).labels["forces"]
        np.testing.assert_array_equal(found, CRYSTALS[1].labels["forces"])

    def test_a_molecule_has_no_cell(self):
        from ase.build import molecule

        water = from_ase(molecule("H2O"))
        assert (water.id, water.pbc.any(), water.cell.any()) == ("H2O", False, False)
        assert from_ase(to_ase(water)).positions.tolist() == water.positions.tolist()

    def test_foreign_atoms(self):
        from ase import Atoms

        atoms = Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.92]], info={"gap": 9.0, "who": "me"})
        atoms.set_tags([1, 2])
        atoms.set_array("magmom", np.array([0.5, -0.5]))
        found = from_ase(atoms)
        assert found.labels.keys() == {"gap", "magmom"}
        assert {name: values.tolist() for name, values in found.site_properties.items()} == {
            "tags": [1, 2]
        }

    def test_what_is_held_in_place_is_marked(self):
        from ase import Atoms
        from ase.constraints import FixAtoms, FixBondLength

        atoms = Atoms("HFH", positions=[[0, 0, 0], [0, 0, 0.92], [0, 0, 3]], tags=[-1, 0, 0])
        atoms.set_constraint([FixAtoms([2]), FixBondLength(0, 1), FixAtoms([0])])
        site_properties = from_ase(atoms).site_properties
        assert {name: values.tolist() for name, values in site_properties.items()} == {
            "fixed": [1, 0, 1],
            "held_axes": [0, 64, 0],  # in a way that has no axis
        }
        (back,) = to_ase(from_ase(atoms)).constraints
        assert sorted(back.index) == [0, 2]

    def test_disorder_is_refused(self):
        from ase import Atoms

        atoms = Atoms("Mg", info={"occupancy": {"0": {"Mg": 0.5, "Fe": 0.5}}})
        with pytest.raises(GeometryError, match="'Mg' has sites that several species share"):
            from_ase(atoms)
        atoms.info["occupancy"] = {"0": {"Mg": 1.0}}
        assert from_ase(atoms).labels == {}

    def test_something_else_is_refused(self):
        with pytest.raises(ShapeError, match="was given a str"):
            from_ase("NaCl")


@needs("torch_geometric")
class TestPyG:
    @pytest.fixture(autouse=True)
    def _imported(self):
        """Import it as the product does, past the deprecated functions that it uses."""
        import_package("torch_geometric")

    def test_round_trip(self, batch):
        assert_same_batch(from_pyg(to_pyg(batch)), batch)

    def test_round_trip_of_a_bare_batch(self):
        bare = CrystalBatch.from_crystals(CRYSTALS[:2], dtype=torch.float32)
        bare.ids = ()
        assert_same_batch(from_pyg(to_pyg(bare)), bare)

    def test_round_trip_through_single_graphs(self, batch):
        from torch_geometric.data import Batch

        singles = to_pyg(batch).to_data_list()
        assert [one.id for one in singles] == list(batch.ids)
        assert_same_batch(from_pyg(Batch.from_data_list(singles)), batch)

    @pytest.mark.slow
    def test_round_trip_through_a_loader_with_workers(self, batch):
        from torch_geometric.loader import DataLoader

        loader = DataLoader(
            to_pyg(batch).to_data_list(),
            batch_size=len(CRYSTALS),
            num_workers=1,
            multiprocessing_context="spawn",
        )
        (found,) = loader
        assert_same_batch(from_pyg(found), batch)

    def test_round_trip_through_pickle_and_clone(self, batch):
        graph = pickle.loads(pickle.dumps(to_pyg(batch)))
        assert_same_batch(from_pyg(graph.clone()), batch)

    def test_a_single_graph(self, batch):
        graph = to_pyg(batch)[3]
        wanted = attach_neighbours(CrystalBatch.from_crystals(CRYSTALS[3:4], TARGETS), NEIGHBOURS)
        found = from_pyg(graph)
        assert found.dataset_index.tolist() == [0]
        # In the batch every crystal has the site properties of any.
        assert [values.tolist() for values in found.site_properties.values()] == [
            [0] * found.num_atoms
        ] * 2
        assert_same_batch(replace(found, dataset_index=None, site_properties={}), wanted)

    def test_edges_in_any_order(self, batch):
        graph = to_pyg(batch)
        order = torch.randperm(batch.num_edges, generator=torch.Generator().manual_seed(0))
        graph.edge_index, graph.cell_shift = graph.edge_index[:, order], graph.cell_shift[order]
        found = from_pyg(graph)
        assert torch.equal(found.edges_per_atom, batch.edges_per_atom)
        torch.testing.assert_close(sorted_vectors(found), sorted_vectors(batch))

    def test_what_pyg_sees(self, batch):
        graph = to_pyg(batch)
        graph.validate()
        assert (graph.num_graphs, graph.num_nodes) == (batch.num_crystals, batch.num_atoms)
        assert graph.num_edges == batch.num_edges
        assert graph.ptr.diff().tolist() == batch.atoms_per_crystal.tolist()
        sender, receiver = graph.edge_index
        vectors = graph.pos[receiver] - graph.pos[sender] - graph.edge_offset
        torch.testing.assert_close(vectors, batch.edge_vectors())
        torch.testing.assert_close(graph.edge_vec, batch.edge_vectors())
        torch.testing.assert_close(graph.edge_weight, batch.edge_vectors().norm(dim=1))
        assert torch.equal(graph.edge_attr[:, 0], graph.edge_weight)
        assert graph.pos.data_ptr() == batch.positions.data_ptr()

    def test_messages_flow_from_sender_to_receiver(self, batch):
        from torch_geometric.nn import SimpleConv, global_add_pool

        graph = to_pyg(batch)
        ones = torch.ones(batch.num_atoms, 1)
        found = SimpleConv()(ones, graph.edge_index)
        assert found[:, 0].tolist() == batch.edges_per_atom.tolist()
        pooled = global_add_pool(ones, graph.batch)
        assert pooled[:, 0].tolist() == batch.atoms_per_crystal.tolist()

    def test_gradients_pass(self, batch):
        moved = replace(batch, positions=batch.positions.clone().requires_grad_())
        (gradient,) = torch.autograd.grad(
            to_pyg(moved).edge_vec[:, 0].square().sum(), moved.positions
        )
        (wanted,) = torch.autograd.grad(moved.edge_vectors()[:, 0].square().sum(), moved.positions)
        assert gradient.any()
        torch.testing.assert_close(gradient, wanted)

    def test_foreign_molecule(self):
        from torch_geometric.data import Data

        water = Data(z=torch.tensor([8, 1, 1]), pos=torch.rand(3, 3), y=torch.tensor([-2.0]))
        found = from_pyg(water, TARGETS[:1])
        assert (found.num_crystals, found.pbc.any().item(), found.edge_index) == (1, False, None)
        assert found.targets["energy"].tolist() == [-2.0]
        assert found.target_info["energy"].unit == "eV"

    @pytest.mark.parametrize(
        ("change", "targets", "message"),
        [
            ({"z": None}, (), "has no 'z'"),
            ({"pos": None}, (), "has no 'pos'"),
            ({"cell": torch.eye(2)}, (), r"cell \(2, 2\) and pbc \(1, 3\)"),
            ({"y": torch.ones(1)}, TARGETS[:2], r"2 targets were named \(energy, refractive_"),
            ({"y": {"gap": torch.ones(1)}}, TARGETS[:1], "no label 'energy'; y holds gap"),
        ],
    )
    def test_what_is_refused(self, change, targets, message):
        from torch_geometric.data import Data

        graph = Data(z=torch.tensor([1]), pos=torch.zeros(1, 3))
        for name, value in change.items():
            setattr(graph, name, value)
        with pytest.raises(ShapeError, match=message):
            from_pyg(graph, targets)

    def test_edges_of_distinct_atoms_only_are_refused(self, batch):
        with pytest.raises(ShapeError, match="symmetry-distinct atoms only"):
            to_pyg(reduced(batch))


@needs("dgl")
class TestDGL:
    @pytest.fixture(autouse=True)
    def _imported(self):
        """Import it as the product does, past the deprecated functions that it uses."""
        import_package("dgl")

    def test_round_trip(self, batch):
        assert_same_batch(from_dgl(to_dgl(batch)), batch)

    def test_round_trip_of_a_bare_batch(self):
        bare = CrystalBatch.from_crystals(CRYSTALS[:2], dtype=torch.float32)
        assert_same_batch(from_dgl(to_dgl(bare)), bare)

    def test_round_trip_through_copies(self, batch):
        graph = to_dgl(batch)
        for copy in (graph.to("cpu"), graph.clone(), graph.local_var()):
            assert_same_batch(from_dgl(copy), batch)

    def test_round_trip_through_single_graphs(self, batch):
        import dgl

        graph = to_dgl(batch)
        again = dgl.batch(dgl.unbatch(graph))
        with pytest.raises(ShapeError, match="has no crystal_data"):
            from_dgl(again)
        assert_same_batch(from_dgl(again, graph.crystal_data), batch)

    def test_crystal_data_of_another_graph(self, batch):
        other = to_dgl(CrystalBatch.from_crystals(CRYSTALS[:2]))
        with pytest.raises(ShapeError, match="and its crystal_data 2 cells"):
            from_dgl(to_dgl(batch), other.crystal_data)

    def test_edges_in_any_order(self, batch):
        import dgl

        graph = to_dgl(batch)
        order = torch.randperm(batch.num_edges, generator=torch.Generator().manual_seed(0))
        sender, receiver = graph.edges()
        other = dgl.graph((sender[order], receiver[order]), num_nodes=batch.num_atoms)
        other.set_batch_num_nodes(graph.batch_num_nodes())
        other.ndata.update(graph.ndata)
        other.edata["cell_shift"] = graph.edata["cell_shift"][order]
        found = from_dgl(other, graph.crystal_data)
        assert torch.equal(found.edges_per_atom, batch.edges_per_atom)
        torch.testing.assert_close(sorted_vectors(found), sorted_vectors(batch))

    def test_what_dgl_sees(self, batch):
        import dgl

        graph = to_dgl(batch)
        assert graph.batch_size == batch.num_crystals
        assert graph.batch_num_nodes().tolist() == batch.atoms_per_crystal.tolist()
        assert graph.in_degrees().tolist() == batch.edges_per_atom.tolist()
        per_crystal = [one.num_edges() for one in dgl.unbatch(graph)]
        assert (
            per_crystal
            == torch.bincount(batch.edge_crystal_index, minlength=batch.num_crystals).tolist()
        )
        sender, receiver = graph.edges()
        vectors = graph.ndata["pos"][receiver] - graph.ndata["pos"][sender]
        torch.testing.assert_close(vectors - graph.edata["edge_offset"], batch.edge_vectors())
        torch.testing.assert_close(graph.edata["edge_vec"], batch.edge_vectors())
        weights = batch.edge_vectors().norm(dim=1)
        torch.testing.assert_close(graph.edata["edge_weight"], weights)

    def test_another_device_is_refused_clearly(self, batch):
        with pytest.raises(MissingPackageError, match="cannot use the device 'meta'"):
            to_dgl(batch.to("meta"))

    def test_edges_of_distinct_atoms_only_are_refused(self, batch):
        with pytest.raises(ShapeError, match="symmetry-distinct atoms only"):
            to_dgl(reduced(batch))


def sorted_vectors(batch: CrystalBatch) -> torch.Tensor:
    """Return all edges as rows of receiver and vector, in an order of their own."""
    rows = torch.cat((batch.edge_index[1:].T, batch.edge_vectors()), dim=1)
    # Rounded, so that the order does not depend on the last digits; + 0.0 turns -0.0 into 0.0.
    rows = rows.mul(1e6).round().div(1e6) + 0.0
    return torch.tensor(sorted(rows.tolist()))

"""Crystal and CrystalBatch: what they accept, what they refuse, and that nothing gets lost."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from matsciml_core.data import attach_neighbours
from matsciml_core.errors import GeometryError, ShapeError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.registry.targets import TargetInfo

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
METAL = TargetInfo(name="metal", kind="binary", unit="class")
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
CHARGE = TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
ALL = (ENERGY, GAP, METAL, GROUP, FORCES, CHARGE, STRESS)

SALT_CELL = 2.815 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
"""Primitive cell of rock salt with the lattice constant 5.63 Å."""


def rock_salt(**changes: object) -> Crystal:
    """Return NaCl with every kind of label."""
    values = {
        "id": "salt",
        "atomic_numbers": [11, 17],
        "positions": [[0.0, 0.0, 0.0], [2.815, 2.815, 2.815]],
        "cell": SALT_CELL,
        "labels": {
            "energy": -6.75,
            "gap": 5.0,
            "metal": 0,
            "group": 224,
            "forces": [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]],
            "charge": [1.0, -1.0],
            "stress": np.arange(9.0).reshape(3, 3),
        },
    }
    return Crystal(**(values | changes))


def iron() -> Crystal:
    """Return iron in its one-atom cell, without labels."""
    cell = 1.435 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
    return Crystal(id="iron", atomic_numbers=[26], positions=[[0.5, 0.0, 0.0]], cell=cell)


class TestCrystal:
    def test_lists_become_arrays_of_the_documented_types(self) -> None:
        crystal = rock_salt()
        assert crystal.atomic_numbers.dtype == np.uint8
        assert crystal.positions.dtype == crystal.cell.dtype == np.float64
        assert crystal.pbc.tolist() == [True, True, True]
        assert crystal.num_atoms == 2

    def test_volume_of_rock_salt_is_a_quarter_of_the_cubic_cell(self) -> None:
        assert rock_salt().volume == pytest.approx(5.63**3 / 4, rel=1e-12)

    def test_volume_of_a_left_handed_cell_is_positive(self) -> None:
        assert rock_salt(cell=-SALT_CELL).volume == pytest.approx(5.63**3 / 4)

    def test_fractional_coordinates_follow_from_rows_as_lattice_vectors(self) -> None:
        assert rock_salt().fractional == pytest.approx(np.array([[0, 0, 0], [0.5, 0.5, 0.5]]))

    def test_from_fractional_in_a_triclinic_cell(self) -> None:
        cell = np.array([[3.0, 0.0, 0.0], [1.0, 4.0, 0.0], [0.5, -0.5, 5.0]])
        crystal = Crystal.from_fractional(
            id="x", atomic_numbers=[6], fractional=[[0.5, 0.25, 2.0]], cell=cell, labels={"gap": 1}
        )
        expected = 0.5 * cell[0] + 0.25 * cell[1] + 2.0 * cell[2]
        assert crystal.positions[0].tolist() == expected.tolist() == [2.75, 0.0, 10.0]
        assert crystal.fractional[0] == pytest.approx([0.5, 0.25, 2.0])
        assert crystal.labels == {"gap": 1}

    def test_positions_outside_the_cell_are_kept_as_given(self) -> None:
        far = [[100.0, -50.0, 0.0], [2.0, 2.0, 2.0]]
        assert rock_salt(positions=far).positions.tolist() == far

    def test_one_flag_sets_all_periodic_directions(self) -> None:
        assert rock_salt(pbc=False).pbc.tolist() == [False, False, False]

    def test_a_molecule_needs_no_cell(self) -> None:
        molecule = rock_salt(cell=np.zeros((3, 3)), pbc=False)
        assert molecule.volume == 0.0

    def test_is_frozen(self) -> None:
        with pytest.raises(AttributeError):
            rock_salt().id = "other"  # type: ignore[misc]

    @pytest.mark.parametrize(
        "changes",
        [
            {"atomic_numbers": [11, 17, 17]},
            {"atomic_numbers": [[11, 17]]},
            {"positions": [0.0, 0.0, 0.0]},
            {"positions": [[0.0, 0.0], [1.0, 1.0]]},
            {"cell": [5.0, 5.0, 5.0]},
            {"cell": np.eye(3)[None]},
        ],
    )
    def test_wrong_shapes_are_refused_with_the_shapes_found(self, changes: dict) -> None:
        with pytest.raises(ShapeError, match=r"'salt' has atomic_numbers \(.*must be"):
            rock_salt(**changes)

    @pytest.mark.parametrize("numbers", [[0, 17], [11, 119], [-1, 17], [300, 17]])
    def test_atomic_numbers_outside_the_periodic_table_are_refused(self, numbers: list) -> None:
        with pytest.raises(GeometryError, match="atomic numbers from 1 to 118"):
            rock_salt(atomic_numbers=numbers)

    def test_a_crystal_without_atoms_is_refused(self) -> None:
        with pytest.raises(GeometryError, match="at least one atom"):
            rock_salt(atomic_numbers=[], positions=np.zeros((0, 3)))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_coordinates_that_are_not_finite_are_refused(self, bad: float) -> None:
        with pytest.raises(GeometryError, match="not finite"):
            rock_salt(positions=[[0, 0, 0], [bad, 0, 0]])
        with pytest.raises(GeometryError, match="not finite"):
            rock_salt(cell=np.diag([5.0, bad, 5.0]))

    def test_a_periodic_crystal_needs_a_cell_with_volume(self) -> None:
        flat = [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [3.0, 3.0, 0.0]]
        with pytest.raises(GeometryError, match="without volume"):
            rock_salt(cell=flat)

    @pytest.mark.parametrize("values", [[1], [1, 0, 0], [[1, 0], [0, 1]]])
    def test_a_site_property_is_one_number_per_atom(self, values: list) -> None:
        with pytest.raises(
            ShapeError, match=r"'salt' has a site property .* give each the shape \(2,\)"
        ):
            rock_salt(site_properties={"fixed": values})

    def test_errors_name_the_crystal(self) -> None:
        with pytest.raises(GeometryError, match="'culprit'"):
            rock_salt(id="culprit", atomic_numbers=[0, 1])


class TestFromCrystals:
    def test_shapes_and_types(self) -> None:
        batch = CrystalBatch.from_crystals([rock_salt(), iron()], ALL)
        assert (batch.num_crystals, batch.num_atoms) == (2, 3)
        assert batch.atomic_numbers.tolist() == [11, 17, 26]
        assert batch.atomic_numbers.dtype == torch.int64
        assert batch.crystal_index.tolist() == [0, 0, 1]
        assert batch.atoms_per_crystal.tolist() == [2, 1]
        assert batch.cell.shape == (2, 3, 3)
        assert batch.pbc.dtype == torch.bool
        assert batch.positions.dtype == torch.float64
        assert batch.ids == ["salt", "iron"]
        assert batch.edge_index is None

    def test_labels_have_the_shape_of_their_kind(self) -> None:
        batch = CrystalBatch.from_crystals([rock_salt(), iron()], ALL)
        shapes = {name: tuple(tensor.shape) for name, tensor in batch.targets.items()}
        assert shapes == {
            "energy": (2,),
            "gap": (2,),
            "metal": (2,),
            "group": (2,),
            "forces": (3, 3),
            "charge": (3,),
            "stress": (2, 3, 3),
        }
        assert batch.targets["group"].dtype == torch.int64
        assert batch.targets["forces"].dtype == torch.float64

    def test_missing_labels_are_nan_or_minus_one_and_never_zero(self) -> None:
        batch = CrystalBatch.from_crystals([rock_salt(), iron()], ALL)
        assert batch.targets["metal"].tolist() == [0, -1]
        assert batch.targets["group"].tolist() == [224, -1]
        for name in ("energy", "gap", "stress"):
            assert torch.isnan(batch.targets[name][1]).all()
            assert not torch.isnan(batch.targets[name][0]).any()
        for name in ("forces", "charge"):
            assert torch.isnan(batch.targets[name][2:]).all()
            assert not torch.isnan(batch.targets[name][:2]).any()

    def test_targets_may_be_a_mapping_and_undeclared_labels_are_left_out(self) -> None:
        batch = CrystalBatch.from_crystals([rock_salt()], {"gap": GAP})
        assert set(batch.targets) == set(batch.target_info) == {"gap"}

    def test_dtype_of_floats_is_chosen_by_the_caller(self) -> None:
        batch = CrystalBatch.from_crystals([rock_salt()], ALL, dtype=torch.float32)
        assert batch.positions.dtype == batch.cell.dtype == torch.float32
        assert batch.targets["forces"].dtype == torch.float32
        assert batch.targets["metal"].dtype == torch.int64

    def test_the_crystals_memory_is_not_shared(self) -> None:
        crystal = rock_salt()
        CrystalBatch.from_crystals([crystal]).positions.fill_(7.0)
        assert crystal.positions[0, 0] == 0.0

    def test_no_crystal_is_an_error(self) -> None:
        with pytest.raises(ShapeError, match="at least one crystal"):
            CrystalBatch.from_crystals([])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("forces", [0.1, 0.2, 0.3]),
            ("stress", np.zeros(6)),
            ("gap", [1.0, 2.0]),
            ("charge", 1.0),
        ],
    )
    def test_a_label_of_the_wrong_shape_is_refused(self, name: str, value: object) -> None:
        crystal = rock_salt(labels={name: value})
        with pytest.raises(ShapeError, match=f"'{name}' of crystal 'salt' has the shape"):
            CrystalBatch.from_crystals([crystal], ALL)


class TestBatch:
    @pytest.fixture
    def batch(self) -> CrystalBatch:
        """Two crystals with edges and every kind of label."""
        plain = CrystalBatch.from_crystals(
            [rock_salt(site_properties={"tags": [2, 1]}), iron()], ALL
        )
        plain.dataset_index = torch.tensor([0, 1])
        return attach_neighbours(plain, Neighbourhood(cutoff=4.0))

    def test_crystals_undoes_from_crystals(self, batch: CrystalBatch) -> None:
        salt, bare = batch.crystals()
        for found, given in ((salt, rock_salt()), (bare, iron())):
            assert found.id == given.id
            for name in ("atomic_numbers", "positions", "cell", "pbc"):
                assert np.array_equal(getattr(found, name), getattr(given, name))
        assert bare.labels == {}
        assert salt.labels["energy"] == -6.75
        assert salt.labels["metal"] == 0
        assert salt.labels["charge"].tolist() == [1.0, -1.0]
        assert salt.labels["forces"].tolist() == rock_salt().labels["forces"]
        assert salt.labels["stress"].tolist() == rock_salt().labels["stress"].tolist()
        assert isinstance(salt.labels["group"], int)
        assert salt.site_properties["tags"].tolist() == [2, 1]
        assert bare.site_properties["tags"].tolist() == [0] * bare.num_atoms

    def test_crystals_of_a_batch_without_ids_are_numbered(self, batch: CrystalBatch) -> None:
        batch.ids = ()
        assert [crystal.id for crystal in batch.crystals()] == ["0", "1"]

    def test_edge_vectors_point_from_the_sender_image_to_the_receiver(
        self, batch: CrystalBatch
    ) -> None:
        vectors = batch.edge_vectors()
        sender, receiver = batch.edge_index
        cell = batch.cell[batch.crystal_index[receiver]]
        image = batch.positions[sender] + torch.einsum("ei,eij->ej", batch.cell_shift, cell)
        assert torch.allclose(vectors, batch.positions[receiver] - image, atol=1e-12)
        # Rock salt: 6 unlike neighbours at a/2 and 12 like ones at a/√2 within 4 Å.
        lengths = vectors.norm(dim=1)[receiver == 0].sort().values.numpy()
        assert lengths == pytest.approx([2.815] * 6 + [5.63 / 2**0.5] * 12)

    def test_edge_vectors_are_differentiable(self, batch: CrystalBatch) -> None:
        batch.positions.requires_grad_()
        batch.cell.requires_grad_()
        batch.edge_vectors().square().sum().backward()
        assert batch.positions.grad.shape == batch.positions.shape
        assert batch.cell.grad.abs().sum() > 0

    def test_edges_are_needed_for_edge_vectors(self, batch: CrystalBatch) -> None:
        with pytest.raises(ShapeError, match="attach_neighbours"):
            batch.without_edges().edge_vectors()
        batch.cell_shift = None
        with pytest.raises(ShapeError, match="cell_shift"):
            batch.edge_vectors()

    def test_without_edges_leaves_the_rest_and_the_original_alone(
        self, batch: CrystalBatch
    ) -> None:
        bare = batch.without_edges()
        assert bare.edge_index is None
        assert bare.cell_shift is None
        assert bare.edges_per_atom is None
        assert bare.positions is batch.positions
        assert batch.edge_index is not None

    def test_to_changes_floats_only(self, batch: CrystalBatch) -> None:
        single = batch.to(dtype=torch.float32)
        for name in ("positions", "cell", "cell_shift"):
            assert getattr(single, name).dtype == torch.float32
        assert single.targets["stress"].dtype == torch.float32
        assert single.targets["group"].dtype == torch.int64
        for name in ("atomic_numbers", "crystal_index", "edge_index", "dataset_index"):
            assert getattr(single, name).dtype == torch.int64
        assert single.pbc.dtype == torch.bool
        assert batch.positions.dtype == torch.float64

    def test_to_moves_every_tensor(self, batch: CrystalBatch) -> None:
        moved = batch.to("meta")
        tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
        assert len(tensors) == 10
        others = [*moved.targets.values(), *moved.site_properties.values()]
        assert all(tensor.is_meta for tensor in [*tensors, *others])
        assert moved.ids == batch.ids

    def test_clone_shares_no_memory(self, batch: CrystalBatch) -> None:
        copy = batch.clone()
        copy.positions.fill_(0.0)
        copy.cell_shift.fill_(9.0)
        copy.targets["gap"].fill_(0.0)
        copy.site_properties["tags"].fill_(0)
        assert batch.positions[1, 0] == 2.815
        assert batch.cell_shift.abs().max() < 9
        assert batch.targets["gap"][0] == 5.0
        assert batch.site_properties["tags"].dtype == torch.uint8
        assert batch.site_properties["tags"][:2].tolist() == [2, 1]

    def test_pickle_round_trip(self, batch: CrystalBatch) -> None:
        copy = pickle.loads(pickle.dumps(batch))
        assert torch.equal(copy.edge_index, batch.edge_index)
        assert torch.equal(copy.positions, batch.positions)
        assert copy.target_info == batch.target_info
        assert copy.ids == batch.ids

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    def test_pinned_memory_and_transfer(self, batch: CrystalBatch) -> None:
        pinned = batch.pin_memory()
        assert pinned.positions.is_pinned()
        assert pinned.targets["gap"].is_pinned()
        assert pinned.to("cuda", non_blocking=True).positions.is_cuda

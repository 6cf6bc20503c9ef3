"""Structures with labels become a store, or one sentence about what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matsciml_core import Crystal, TargetInfo
from matsciml_core.convert import to_ase, to_pymatgen
from matsciml_core.data.store.structures import StructuresDataset
from matsciml_core.data.store.structures_config import StructuresConfig
from matsciml_core.errors import ConfigError, DataError, UnitError
from matsciml_core.testing.crystals import sodium_chloride
from matsciml_core.training.structures import label_structures


def stored(tmp_path, *arguments):
    """Return what was handed over as the dataset that a run opens."""
    label_structures(*arguments).write(tmp_path / "store")
    return StructuresDataset(StructuresConfig(folder=str(tmp_path / "store")))


def rock_salt(**changes) -> Crystal:
    """Return sodium chloride with changes."""
    return replace(sodium_chloride(), **changes)


def molecule(count: int) -> Crystal:
    """Return a row of argon atoms without a cell."""
    positions = [[4.0 * k, 0.0, 0.0] for k in range(count)]
    return Crystal(
        id=f"row-{count}",
        atomic_numbers=np.full(count, 18),
        positions=np.array(positions),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
    )


class TestLabels:
    def test_a_number_for_each_structure(self, crystals, tmp_path):
        values = list(np.linspace(0.0, 2.0, len(crystals)))
        dataset = stored(tmp_path, crystals, {"gap": values}, {"gap": "eV"})
        assert dataset.targets == {"gap": TargetInfo(name="gap", kind="scalar", unit="eV")}
        assert dataset.ids == [crystal.id for crystal in crystals]
        assert [dataset[k].labels["gap"] for k in range(len(dataset))] == values

    def test_a_missing_value_is_absent(self, crystals, tmp_path):
        dataset = stored(tmp_path, crystals[:3], {"gap": [1.0, None, np.nan]}, {"gap": "eV"})
        assert dataset.__getitems__([0, 1, 2]).targets["gap"].isnan().tolist() == [
            False, True, True,
        ]  # fmt: skip

    def test_units_are_converted(self, crystals, tmp_path):
        dataset = stored(tmp_path, crystals[:2], {"gap": [1000, 2000]}, {"gap": "meV"})
        assert [dataset[k].labels["gap"] for k in range(2)] == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("unit", "values", "kind"),
        [("class", [True, False], "binary"), ("class(7)", [6, 0], "multiclass")],
    )
    def test_classes(self, crystals, tmp_path, unit, values, kind):
        dataset = stored(tmp_path, crystals[:2], {"group": values}, {"group": unit})
        assert dataset.targets["group"].kind == kind
        assert [dataset[k].labels["group"] for k in range(2)] == [int(one) for one in values]

    def test_forces_are_forces(self, tmp_path):
        rows = [molecule(2), molecule(3)]
        forces = [np.ones((2, 3)), np.zeros((3, 3))]
        dataset = stored(tmp_path, rows, {"forces": forces}, {"forces": "eV/Å"})
        assert dataset.targets["forces"].kind == "forces"
        assert np.array_equal(dataset[0].labels["forces"], forces[0])

    def test_one_number_for_each_atom(self, tmp_path):
        rows = [molecule(2), molecule(3)]
        charges = [[0.5, -0.5], [0.0, 0.25, -0.25]]
        dataset = stored(tmp_path, rows, {"charge": charges}, {"charge": "e"})
        assert dataset.targets["charge"].per_atom
        assert dataset[1].labels["charge"].tolist() == charges[1]

    def test_a_shape_of_its_own_is_declared(self, crystals, tmp_path):
        declared = TargetInfo(name="dielectric", kind="tensor", rank=2, unit="dimensionless")
        tensors = [np.eye(3), 2.0 * np.eye(3)]
        units = {"dielectric": declared}
        dataset = stored(tmp_path, crystals[:2], {"dielectric": tensors}, units)
        assert dataset.targets["dielectric"] == declared
        assert np.array_equal(dataset[1].labels["dielectric"], tensors[1])


class TestWhatStructuresCarry:
    def test_labels_that_have_a_unit_are_learnt(self, crystals, tmp_path):
        dataset = stored(tmp_path, crystals, None, {"energy": "eV/atom"})
        assert list(dataset.targets) == ["energy"]
        assert dataset[3].labels == {"energy": crystals[3].labels["energy"]}

    def test_energy_and_forces_of_a_calculator_need_no_unit(self, tmp_path):
        pytest.importorskip("ase")
        labels = {"energy": -7.0, "forces": np.zeros((2, 3))}
        infos = {
            "energy": TargetInfo(name="energy", kind="energy", unit="eV"),
            "forces": TargetInfo(name="forces", kind="forces", unit="eV/Å"),
        }
        atoms = to_ase(rock_salt(labels=labels), infos)
        dataset = stored(tmp_path, [atoms, atoms], None, None)
        assert dataset.targets == infos
        assert dataset[1].labels["energy"] == -7.0

    def test_tags_are_kept(self, tmp_path):
        tagged = rock_salt(site_properties={"tags": [2, 1]})
        dataset = stored(tmp_path, [tagged], {"x": [1.0]}, {"x": "K"})
        assert dataset[0].site_properties["tags"].tolist() == [2, 1]


def test_structures_of_pymatgen_are_taken(crystals, tmp_path):
    structures = [to_pymatgen(crystal) for crystal in crystals[:2]]
    dataset = stored(tmp_path, structures, {"gap": [1.0, 2.0]}, {"gap": "eV"})
    assert np.allclose(dataset[1].positions, crystals[1].positions)


def test_ids_are_unique(tmp_path):
    """Structures without an id are called by their formula."""
    rows = [rock_salt(), rock_salt()]
    dataset = stored(tmp_path, rows, {"gap": [1.0, 2.0]}, {"gap": "eV"})
    assert len(set(dataset.ids)) == 2


@pytest.mark.parametrize(
    ("labels", "units", "error", "words"),
    [
        ({"gap": [1.0]}, {"gap": "eV"}, ConfigError, "'gap' has 1 values for 2 structures"),
        ({"gap": [1.0, 2.0]}, None, ConfigError, r"'gap' has no unit; .* units=\{'gap': 'eV'\}"),
        ({"gap": [1.0, 2.0]}, {"gap": "evolt"}, UnitError, "'gap=evolt' has a unit .* not known"),
        ({"gap": [1.0, 2.0]}, {"gap": "eV", "gpa": "eV"}, ConfigError, "'gpa'.*Did you mean 'gap'"),
        ({"Gap": [1.0, 2.0]}, {"Gap": "eV"}, ConfigError, "'Gap' cannot be the name"),
        (
            {"gap": [1.0, "wide"]},
            {"gap": "eV"},
            DataError,
            r"Structure 1 \('.*'\): .*a number is expected",
        ),
        ({"group": [1, 7]}, {"group": "class(7)"}, DataError, "Structure 1 .*from 0 to 6"),
        ({"forces": [1, 2]}, {"forces": "eV"}, UnitError, "cannot be forces"),
        ({"forces": [[1], [2]]}, {"forces": "eV/Å"}, DataError, "wrong number of values"),
        ({}, {}, ConfigError, "'labels' is empty"),
        (None, {"enrgy": "eV"}, ConfigError, "'enrgy'. Did you mean 'energy'?"),
    ],
)
def test_what_does_not_fit_is_one_sentence(crystals, labels, units, error, words):
    with pytest.raises(error, match=words):
        label_structures(crystals[:2], labels, units)


@pytest.mark.parametrize(
    ("structures", "error", "words"),
    [
        ([], ConfigError, "is empty"),
        ([rock_salt(labels={})], ConfigError, "come without labels"),
        ([rock_salt(), "NaCl.cif"], DataError, "Structure 1 .* a str; read a file"),
        ([rock_salt(positions=np.zeros((2, 3)))], DataError, "Structure 0 cannot be used: .*apart"),
    ],
)
def test_structures_that_cannot_be_used(structures, error, words):
    with pytest.raises(error, match=words):
        label_structures(structures, None, None)


def test_a_store_that_is_gone(tmp_path):
    with pytest.raises(DataError, match=r"no store in '.*'; .* --set dataset\.folder"):
        StructuresDataset(StructuresConfig(folder=str(tmp_path)))

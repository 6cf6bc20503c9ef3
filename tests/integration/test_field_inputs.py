"""Inputs of users' kinds on which programs are silently wrong: the right value, or a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.readers import (
    Frame,
    ImportRequest,
    Naming,
    add_dataset,
    parse_files,
    read,
)
from matsciml_core.data.readers.imported import ImportedDataset
from matsciml_core.errors import ConfigError, GeometryError
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.manager import build_registry

FIELD = Path(__file__).resolve().parents[2].parent / "shared" / "field"
pytestmark = pytest.mark.skipif(not FIELD.exists(), reason="the field inputs are not here")
for distribution in ("ase", "pymatgen", "tables"):
    pytest.importorskip(f"matsciml_reader_{distribution}")


@pytest.fixture(scope="module")
def registry():
    return build_registry()


@pytest.fixture
def imported(registry, tmp_path, monkeypatch):
    """Import files, and return the dataset with its manifest."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))

    def run(*names, labels=("energy=eV",), **options):
        request = ImportRequest(
            paths=tuple(FIELD / name for name in names), labels=labels, **options
        )
        manifest = add_dataset("mine", parse_files(request, registry), replace_existing=True)
        return ImportedDataset(str(dataset_folder("mine"))), manifest

    return run


def records(registry, name):
    return list(read(FIELD / name, registry=registry))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("POSCAR_vasp4.vasp", "no line of symbols (VASP 4)"),
        ("missing_h.cif", "The formula sum of the CIF is 'Li O H', and its sites hold 'Li1 O1'"),
        ("formats/F4.cif", "hydrogens without coordinates: 2 are attached"),
        ("occ_sum_1p02.cif", "add up to 1.02"),
    ],
)
def test_what_lacks_atoms_is_rejected_with_the_reason(registry, name, reason):
    (rejection,) = records(registry, name)
    assert isinstance(rejection, Rejection)
    assert reason in rejection.detail


def test_an_unknown_occupancy_is_one(registry):
    (frame,) = records(registry, "question_occ.cif")
    assert list(frame.atomic_numbers) == [11, 17]


def test_every_block_of_a_cif_is_a_structure(registry):
    found = records(registry, "two_blocks.cif")
    assert [list(frame.atomic_numbers) for frame in found] == [[11, 17], [19, 17]]
    assert len({frame.name for frame in found}) == 2


@pytest.mark.parametrize("name", ["formats/order.cif", "formats/order.jsonl"])
def test_atoms_keep_the_order_of_the_file(registry, name):
    for frame in records(registry, name):
        assert list(frame.atomic_numbers) == [17, 11]
        assert "charge" not in frame.values or list(frame.values["charge"]) == [-1, 1]


@pytest.mark.parametrize("name", ["early_fixed.extxyz", "late_fixed.extxyz"])
def test_marks_are_kept_wherever_they_begin(imported, name):
    dataset, _ = imported(name, labels=("energy=eV", "forces=eV/A"))
    assert len(dataset) == 90
    batch = dataset.__getitems__(range(90))
    assert int(batch.site_properties["fixed"].sum()) == 40


@pytest.mark.parametrize("name", ["slab_sd.vasp", "slab_sd.extxyz"])
def test_held_atoms_are_marked(registry, name):
    (frame,) = records(registry, name)
    assert np.asarray(frame.site_properties["fixed"]).tolist() == [1, 1, 0, 0]


def test_deuterium_is_hydrogen_of_another_mass(registry):
    found = records(registry, "frame4_D.extxyz")
    assert all(isinstance(frame, Frame) for frame in found)
    (heavy,) = [frame for frame in found if 1 in np.asarray(frame.atomic_numbers)]
    assert heavy.values["masses"][np.asarray(heavy.atomic_numbers) == 1].tolist() == [2.014101778]


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["named.extxyz"], 10),
        (["run1/md.extxyz", "run2/md.extxyz"], 20),
        (["formats/a.db", "formats/b.db"], 8),
        (["formats/lmdbs"], 6),
    ],
)
def test_ids_that_nobody_asked_for_cost_no_record(imported, names, count):
    dataset, manifest = imported(*names)
    assert len(dataset) == len(set(dataset.ids)) == count
    assert not manifest.rejected


def test_an_id_that_is_asked_for_may_not_repeat(imported):
    _, manifest = imported("named.extxyz", naming=Naming(column="name"))
    assert manifest.rejected["The id was used before."]["count"] == 10 - manifest.accepted > 0


def test_a_folder_of_several_formats_is_read_as_a_whole(imported):
    dataset, manifest = imported("both", labels=("x=eV",), table=FIELD / "both.csv")
    assert len(dataset) == manifest.records == 3


def test_a_table_that_contradicts_itself_is_refused(imported):
    with pytest.raises(ConfigError, match=r"several rows for '.*' whose values differ"):
        imported("saltcifs", labels=("e=eV",), table=FIELD / "dup_table.csv")


def test_a_slab_without_a_third_vector_gets_one(imported):
    from matsciml_core.data.readers import to_crystals

    (crystal,) = to_crystals(read(FIELD / "slab2d_zerovec.extxyz"), (), Naming())
    assert crystal.pbc.tolist() == [True, True, False]
    assert crystal.volume > 1


def test_the_question_about_an_atom_in_a_box_is_the_right_one(registry):
    from matsciml_core.data.ingestion.geometry import check_geometry
    from matsciml_core.data.readers import to_crystals

    (crystal,) = to_crystals(
        read(FIELD / "single_atom_box.extxyz", registry=registry), (), Naming()
    )
    with pytest.raises(GeometryError, match="pbc='F F F'"):
        check_geometry(crystal)


EXPECTED = np.array([[0.01, 0.06, 0.05], [0.06, 0.02, 0.04], [0.05, 0.04, 0.03]])


@pytest.mark.parametrize(
    "label",
    [
        "stress=eV/A^3",
        "stress=REF_stress:eV/A^3",
        "stress=virial:eV",
        "virial=eV",
        "stress=dft_stress6:kbar:ase",
    ],
)
def test_one_stress_in_every_convention(imported, label):
    dataset, _ = imported("stress.extxyz", labels=("energy=eV", label))
    stresses = dataset.__getitems__(range(len(dataset))).targets["stress"].numpy()
    np.testing.assert_allclose(stresses[0], EXPECTED, rtol=1e-4)


@pytest.mark.parametrize("label", ["stress=dft_stress6:kbar", "stress=GPa"])
def test_a_sign_that_is_left_open_is_asked_for(imported, label):
    with pytest.raises(ConfigError, match="leaves the sign open"):
        imported("stress.extxyz", labels=(label,))


def test_six_numbers_and_lower_case(imported):
    dataset, _ = imported("formats/stress6.extxyz", labels=("energy=eV", "stress=eV/A^3"))
    stress = dataset[0].labels["stress"]
    np.testing.assert_allclose(np.diag(stress), [0.1, 0.2, 0.3])
    assert (stress[1, 2], stress[0, 2], stress[0, 1]) == (0.01, 0.02, 0.03)
    dataset, _ = imported("formats/nep_lower2.xyz", labels=("energy=eV", "stress=virial:eV"))
    # A virial that is positive under compression, over 64 Å³.
    np.testing.assert_allclose(np.diag(dataset[0].labels["stress"]), -0.1)

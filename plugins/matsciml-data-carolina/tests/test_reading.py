"""CIF files and records of the toolkit become crystals, or say why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.data import Rejection
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.readers import add_dataset
from matsciml_core.data.splits.grouping import space_group
from matsciml_data_carolina.cif import parse, read_cif
from matsciml_data_carolina.dataset import Carolina
from matsciml_data_carolina.toolkit import crystal_of, read_toolkit
from matsciml_util_sources.fake_source import load_module

FAKE = load_module(Path(__file__).with_name("fake_source.py"))


def test_values_and_loops_are_told_apart() -> None:
    block = parse(FAKE.cif(23))
    assert block.values["_chemical_formula_sum"] == "Ca1 Br1"
    assert block.columns["_atom_site_type_symbol"] == ["Ca", "Br"]
    assert block.columns["_symmetry_equiv_pos_as_xyz"] == ["x, y, z", "-x, -y, -z"]


def test_uncertainties_are_left_out_and_the_cell_may_be_oblique() -> None:
    text = FAKE.cif(1).replace("3.51000000", "4.00(2)")
    text = text.replace("_cell_angle_gamma   90.00000000", "_cell_angle_gamma   120.0(1)")
    crystal = read_cif("a", text, None)
    assert isinstance(crystal, Crystal)
    root = 12.0**0.5
    np.testing.assert_allclose(crystal.cell, [[4, 0, 0], [-2, root, 0], [0, 0, 4]], atol=1e-12)
    np.testing.assert_allclose(crystal.positions[1], [1.0, root / 2, 2.0], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("  Mg  Mg0", "  Xx  Mg0", "no chemical element"),
        ("_cell_length_b", "_other", "incomplete"),
        ("_atom_site_fract_y", "_atom_site_other", "incomplete"),
        ("number   221", "number   0", "space group"),
        ("gamma   90.00000000", "gamma   190.0", "No cell has the lengths"),
        ("alpha   90.00000000", "alpha   ?", "incomplete"),
    ],
)
def test_what_is_no_crystal_is_rejected(old: str, new: str, reason: str) -> None:
    text = FAKE.cif(1)
    assert old in text
    found = read_cif("a", text.replace(old, new), -1.0)
    assert isinstance(found, Rejection)
    assert reason in found.reason


def test_coordinates_that_are_no_fractions_are_rejected() -> None:
    record = {"origin_file": "3.cif", "cart_coords": [[2.0, 0, 0]], "atomic_numbers": [11]}
    found = crystal_of("0", record)
    assert isinstance(found, Rejection)
    assert "not the fractions" in found.reason
    assert crystal_of("0", {}) == Rejection("0", "The record is incomplete.")


def test_real_toolkit_files_are_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(__file__).parents[4] / "shared" / "data" / "toolkit-lmdb" / "carolina_db.lmdb"
    if not file.exists():
        pytest.skip("needs ../shared/data/toolkit-lmdb, which is not part of the repository")
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    manifest = add_dataset("old", read_toolkit(file))
    assert (manifest.records, manifest.accepted) == (50, 50)
    dataset = Carolina(FetchedConfig(path=str(tmp_path / "datasets" / "old" / "store")))
    crystal = dataset[0]
    assert crystal.id == "carolina-99"
    assert crystal.volume == pytest.approx(273.03388087, rel=1e-7)  # what the CIF file states
    assert crystal.labels == {"formation_energy_per_atom": 1.026, "space_group": 220}
    assert 5 < manifest.volume_per_atom[0] < manifest.volume_per_atom[1] < 100
    stated = [dataset[k].labels["space_group"] + 1 for k in range(len(dataset))]
    found = [space_group(dataset[k]) for k in range(len(dataset))]
    assert found == stated

"""Supercells of phonopy and phono3py: what was calculated, in the units of the calculator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data import Rejection
from matsciml_core.data.readers import Frame, parse_files, read
from matsciml_core.data.readers.import_request import ImportRequest
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.manager import build_registry
from matsciml_reader_potentials.atomic_units import BOHR, HARTREE
from matsciml_reader_potentials.phonopy_samples import write_force_sets, write_parameters
from matsciml_reader_potentials.phonopy_yaml import CALCULATORS

REGISTRY = build_registry(only=["matsciml-reader-potentials"])
FC3 = """\
phono3py:
  version: "4.10.0"

supercell:
  lattice:
  - [ 5.0, 0.0, 0.0 ] # a
  - [ 0.0, 5.0, 0.0 ] # b
  - [ 0.0, 0.0, 6.0 ] # c
  points:
  - symbol: Na # 1
    coordinates: [ 0.0, 0.0, 0.0 ]
  - symbol: Cl1 # 2
    coordinates: [ 0.5, 0.5, 0.5 ]

displacement_pairs:
- atom:    1
  displacement:
    [  0.03, 0.00, 0.00 ]
  displacement_id: 1
  paired_with:
  - atom:    1
    included: true
    displacements:
    - [  0.02,  0.02, 0.00 ]
    - [ -0.02, -0.02, 0.00 ]
    displacement_ids: [ 2, 3 ]
  - atom:    2
    included: false
    displacements:
    - [  0.02,  0.02, 0.00 ]
    displacement_ids: [ 4 ]
"""
"""phono3py_disp.yaml of phono3py 4.10.0, whose last pair lies beyond the cutoff."""


def records(path: Path) -> list[Any]:
    return list(read(path, registry=REGISTRY))


def forces_fc3(last: str = "0.0 0.0 0.0\n0.0 0.0 0.0\n") -> str:
    rows = ["# File: 1\n# 1 0.03 0.0 0.0\n-1.0 0.0 0.0\n1.0 0.0 0.0\n"]
    second = {2: "1 0.02 0.02 0.0", 3: "1 -0.02 -0.02 0.0", 4: "2 0.02 0.02 0.0"}
    for number, displacement in second.items():
        forces = f"-{number}.0 0.5 0.0\n{number}.0 -0.5 0.0\n" if number < 4 else last
        rows.append(f"# File: {number}\n# 1 0.03 0.0 0.0\n# {displacement}\n{forces}")
    return "".join(rows)


def test_pairs_add_up_and_those_beyond_the_cutoff_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "phono3py_disp.yaml").write_text(FC3)
    (tmp_path / "FORCES_FC3").write_text(forces_fc3())
    *frames, beyond = records(tmp_path / "FORCES_FC3")
    moved = [frame.positions[0].tolist() for frame in frames]
    np.testing.assert_allclose(moved, [[0.03, 0, 0], [0.05, 0.02, 0], [0.01, -0.02, 0]])
    np.testing.assert_allclose([frame.values["forces"][1, 0] for frame in frames], [1, 2, 3])
    np.testing.assert_allclose(frames[1].positions[1], [2.5, 2.5, 3.0])
    assert list(frames[0].atomic_numbers) == [11, 17]
    assert isinstance(beyond, Rejection)
    assert "was not calculated" in beyond.reason


def test_forces_of_other_displacements_are_refused(tmp_path: Path) -> None:
    write_force_sets(tmp_path / "FORCE_SETS", 2)
    path = tmp_path / "phonopy_disp.yaml"
    path.write_text(path.read_text().replace("-0.0500", "-0.0600"))
    with pytest.raises(DataError, match=r"other displacements .* number 2"):
        records(tmp_path / "FORCE_SETS")
    (tmp_path / "phono3py_disp.yaml").write_text(FC3)
    (tmp_path / "FORCES_FC3").write_text(forces_fc3().replace("# 2 0.02", "# 2 0.03"))
    with pytest.raises(DataError, match=r"other displacements .* number 4"):
        records(tmp_path / "FORCES_FC3")


def test_forces_need_the_structure_beside_them_and_displacements_their_forces(
    tmp_path: Path,
) -> None:
    write_force_sets(tmp_path / "FORCE_SETS", 2)
    with pytest.raises(DataError, match="displacements and no forces; name the FORCE_SETS"):
        records(tmp_path / "phonopy_disp.yaml")
    (tmp_path / "phonopy_disp.yaml").unlink()
    with pytest.raises(DataError, match=r"no structure; put the 'phonopy_disp\.yaml' beside it"):
        records(tmp_path / "FORCE_SETS")


@pytest.mark.parametrize("lines", range(1, 8))
def test_torn_force_sets_lose_the_last_supercell(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "FORCE_SETS"
    write_force_sets(path, 3)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-lines]))
    types = [type(record) for record in records(path)]
    last = Frame if lines <= 0 else Rejection
    whole = 2 if lines <= 5 else 1
    assert types == [Frame] * whole + [last] * (3 - whole)


def test_torn_yaml_keeps_the_supercells_before(tmp_path: Path) -> None:
    path = tmp_path / "phonopy_params.yaml"
    write_parameters(path, 3)
    text = path.read_text()
    third = text.rindex("- atom")
    for end in range(third + 10, text.rindex("supercell_energy"), 7):
        path.write_text(text[:end])
        first, second, *torn = records(path)
        assert isinstance(first, Frame)
        assert isinstance(second, Frame)
        # Behind its last row a supercell is whole, but for its energy.
        assert all(
            isinstance(record, Rejection) or "supercell_energy" not in record.values
            for record in torn
        )
    path.write_text(text[: text.index("points")])
    with pytest.raises(DataError, match="not as phonopy writes it"):
        records(path)


def test_units_are_the_calculators(tmp_path: Path) -> None:
    path = tmp_path / "phonopy_params.yaml"
    write_parameters(path, 1)
    (rydberg,) = records(path)
    text = path.read_text().replace("calculator: qe", "calculator: elk")
    path.write_text(text)
    (hartree,) = records(path)
    np.testing.assert_allclose(hartree.cell, rydberg.cell)
    np.testing.assert_allclose(hartree.values["forces"], 2 * rydberg.values["forces"])
    assert hartree.values["supercell_energy"] == 2 * rydberg.values["supercell_energy"]
    path.write_text(text.replace("calculator: elk", "calculator: cp2k"))
    with pytest.raises(DataError, match="length is in 'au', which 'cp2k' does not use"):
        records(path)
    path.write_text(text.replace("calculator: elk", "calculator: mine"))
    with pytest.raises(DataError, match="calculator 'mine' are not known"):
        records(path)


def test_units_are_those_that_phonopy_has() -> None:
    units = pytest.importorskip("phonopy.physical_units")
    for calculator, ours in CALCULATORS.items():
        theirs = units.get_calculator_physical_units(calculator)
        # Its constants are those of an older CODATA.
        np.testing.assert_allclose(
            ours,
            (theirs.distance_to_A, theirs.force_to_eVperA, theirs.energy_to_eV),
            rtol=1e-6,
        )


def test_a_site_of_several_elements_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "phonopy_params.yaml"
    write_parameters(path, 1)
    path.write_text(path.read_text().replace("    mass: 35", "    weight: 0.5\n    mass: 35"))
    with pytest.raises(DataError, match="shared by several elements"):
        records(path)


@pytest.mark.parametrize("kind", ["single", "random"])
def test_what_phonopy_writes_has_the_supercells_and_forces_that_it_was_given(
    tmp_path: Path, kind: str
) -> None:
    phonopy = pytest.importorskip("phonopy")
    atoms = pytest.importorskip("phonopy.structure.atoms").PhonopyAtoms(
        symbols=["Na", "Cl"],
        cell=[[3, 0, 0], [0, 4, 0], [1, 0, 5]],
        scaled_positions=[[0] * 3, [0.5] * 3],
    )
    run = phonopy.Phonopy(atoms, np.diag([2, 1, 1]), primitive_matrix="P", log_level=0)
    options = {"number_of_snapshots": 3, "random_seed": 1} if kind == "random" else {}
    run.generate_displacements(distance=0.03, **options)
    run.save(tmp_path / "phonopy_disp.yaml")
    supercells = run.supercells_with_displacements
    forces = np.random.default_rng(0).normal(size=(len(supercells), 4, 3))
    run.forces = forces
    run.supercell_energies = np.arange(len(supercells)) - 10.0
    run.save(tmp_path / "phonopy_params.yaml")
    from phonopy.file_IO import write_FORCE_SETS  # the package may be missing

    write_FORCE_SETS(run.dataset, tmp_path / "FORCE_SETS")
    for name, precision in (("phonopy_params.yaml", 1e-12), ("FORCE_SETS", 1e-7)):
        frames = records(tmp_path / name)
        for frame, supercell, own in zip(frames, supercells, forces, strict=True):
            np.testing.assert_allclose(frame.positions, supercell.positions, atol=1e-12)
            np.testing.assert_allclose(frame.cell, supercell.cell, atol=1e-12)
            np.testing.assert_allclose(frame.values["forces"], own, atol=precision)
        energies = [frame.values.get("supercell_energy") for frame in frames]
        assert energies == (
            [None] * len(frames) if name == "FORCE_SETS" else list(range(-10, len(frames) - 10))
        )


def test_a_folder_is_not_read_twice(tmp_path: Path) -> None:
    write_force_sets(tmp_path / "FORCE_SETS", 2)
    write_parameters(tmp_path / "phonopy_params.yaml", 2)
    labels = ("energy=supercell_energy:eV", "forces=eV/A")
    request = ImportRequest(paths=(tmp_path,), labels=labels)
    items = parse_files(request, REGISTRY).source(0)
    crystals = [item for item in items if isinstance(item, Crystal)]
    assert [crystal.id for crystal in crystals] == [
        "phonopy_params-000000",
        "phonopy_params-000001",
    ]
    np.testing.assert_allclose(crystals[0].labels["energy"], -30.25 * HARTREE / 2)
    np.testing.assert_allclose(crystals[0].labels["forces"][0, 0], -0.01 * HARTREE / 2 / BOHR)

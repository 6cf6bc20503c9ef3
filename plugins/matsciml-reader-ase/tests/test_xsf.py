"""XSF: two units of forces in one format, told by the energy that aenet writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.io import write

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry

REGISTRY = build_registry(only=["matsciml-reader-ase"])
AENET = """\
# total energy = -19543.9773 eV

CRYSTAL
PRIMVEC
    4.0 0.0 0.0
    1.0 4.0 0.0
    0.0 0.5 5.0
PRIMCOORD
3 1
Ti    0.1 0.2 0.3    0.5 -0.25 0.125
O     2.0 2.0 2.5    0.25 0.25 -0.250
O     3.5 2.0 2.5   -0.75 0.00  0.125
"""


def copper() -> list[Atoms]:
    frames = []
    for seed in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell.array * (1 + 0.01 * seed), scale_atoms=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    return frames


def records(path: Path, text: str | None = None) -> list[Any]:
    if text is not None:
        path.write_text(text)
    return list(read(path, registry=REGISTRY))


def test_forces_of_an_animation_are_in_hartree(tmp_path):
    """ASE writes them as XCrySDen defines them."""
    path = tmp_path / "run.axsf"
    write(path, copper(), format="xsf")
    for index, (frame, atoms) in enumerate(zip(records(path), copper(), strict=True)):
        assert frame.name == f"run-{index:06d}"
        np.testing.assert_allclose(frame.cell, atoms.cell.array)
        np.testing.assert_allclose(frame.positions, atoms.positions)
        np.testing.assert_allclose(frame.values["forces"], atoms.get_forces(), atol=1e-7)


def test_aenet_has_an_energy_and_forces_in_ev(tmp_path):
    (frame,) = records(tmp_path / "structure.xsf", AENET)
    assert frame.values["energy"] == -19543.9773
    assert frame.values["forces"].tolist() == [
        [0.5, -0.25, 0.125],
        [0.25, 0.25, -0.25],
        [-0.75, 0.0, 0.125],
    ]
    assert frame.atomic_numbers == [22, 8, 8]
    with pytest.raises(DataError, match="one energy in a comment for 2 structures"):
        records(tmp_path / "structure.xsf", f"ANIMSTEPS 2\n{AENET}")


def test_slabs_and_molecules_are_open(tmp_path):
    slab = fcc111("Cu", (1, 1, 2), vacuum=5.0)
    write(tmp_path / "slab.xsf", slab, format="xsf")
    (frame,) = records(tmp_path / "slab.xsf")
    assert frame.pbc == [True, True, False]
    write(tmp_path / "co.xsf", Atoms("CO", [[0, 0, 0], [0, 0, 1.1]]), format="xsf")
    (frame,) = records(tmp_path / "co.xsf")
    assert frame.atomic_numbers == [6, 8]
    assert not np.any(frame.pbc)
    assert not np.any(frame.cell)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Ti ", "Xx ", "'…' is no element."),
        ("3 1", "4 1", "The file ends before the end of the structure."),
        ("0.00  0.125\n", "0.00  0.1", "The file ends before the end of the structure."),
        ("-0.250\n", "\n", "The structure is incomplete, or not as XSF writes it."),
        ("PRIMVEC", "NOTHING", "The structure is periodic, and has no lattice vectors before it."),
    ],
)
def test_what_is_broken_is_rejected(tmp_path, old, new, reason):
    (record,) = records(tmp_path / "structure.xsf", AENET.replace(old, new))
    assert isinstance(record, Rejection)
    assert record.reason == reason


def test_an_animation_that_ends_early_is_counted(tmp_path):
    path = tmp_path / "run.axsf"
    write(path, copper(), format="xsf")
    text = path.read_text()
    shorter = records(path, text[: text.index("PRIMCOORD 3")])
    assert [type(record) for record in shorter] == [Frame, Frame, Rejection]
    with pytest.raises(DataError, match="no structure of XSF"):
        records(path, "something else\n")

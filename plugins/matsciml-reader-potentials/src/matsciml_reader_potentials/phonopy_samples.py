"""Files of phonopy 4.10.0 for tests: an oxide's supercell, in which one atom is displaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample
from matsciml_reader_potentials.atomic_units import BOHR, HARTREE

_CELL = np.array([[8.0, 0.0, 1.0], [0.0, 8.0, 0.0], [0.0, 0.0, 9.0]])
_FRACTIONS = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
_DISPLACEMENTS = np.array([[0.05, 0.0, 0.0], [0.0, -0.05, 0.025]])
_FORCES = np.array([[[-0.01, 0.002, 0], [0.01, -0.002, 0]], [[0, -0.03, 0.004], [0, 0.03, -0.004]]])
_ENERGIES = (-30.25, -30.125)
_HEADER = """\
phonopy:
  version: "4.10.0"
  calculator: qe
  frequency_unit_conversion_factor: 108.970772

physical_unit:
  atomic_mass: "AMU"
  length: "au"

supercell_matrix:
- [   2,   0,   0 ]
- [   0,   1,   0 ]
- [   0,   0,   1 ]

supercell:
  lattice:
{lattice}
  points:
  - symbol: Na # 1
    coordinates: [  0.000000000000000,  0.000000000000000,  0.000000000000000 ]
    mass: 22.989769
  - symbol: Cl # 2
    coordinates: [  0.500000000000000,  0.500000000000000,  0.500000000000000 ]
    mass: 35.453000

displacements:
"""


def _rows(table: np.ndarray, indent: str) -> str:
    return "\n".join(f"{indent}- [ {x:z20.16f},{y:z20.16f},{z:z20.16f} ]" for x, y, z in table)


def _yaml(count: int, *, forces: bool = True) -> str:
    """Return phonopy_params.yaml, or phonopy_disp.yaml, with the two displacements in turn."""
    text = _HEADER.format(lattice=_rows(_CELL, "  "))
    for index in range(count):
        step = index % 2
        x, y, z = _DISPLACEMENTS[step]
        text += (
            f"- atom: {step + 1:4d}\n  displacement:\n    [ {x:z20.16f},{y:z20.16f},{z:z20.16f} ]\n"
        )
        if forces:
            text += f"  forces:\n{_rows(_FORCES[step], '  ')}\n"
            text += f"  supercell_energy: {_ENERGIES[step]:z.8f}\n"
    return text


def _force_sets(count: int) -> str:
    text = f"2    \n{count:<5d}\n"
    for index in range(count):
        step = index % 2
        rows = "".join(f"{x:z15.10f} {y:z15.10f} {z:z15.10f}\n" for x, y, z in _FORCES[step])
        x, y, z = _DISPLACEMENTS[step]
        text += f"\n{step + 1:<5d}\n{x:z20.16f} {y:z20.16f} {z:z20.16f}\n{rows}"
    return text


def _frames(name: str, *, energies: bool) -> list[Frame]:
    frames = []
    for step in range(2):
        displaced = np.zeros((2, 3))
        displaced[step] = _DISPLACEMENTS[step]
        values = {"forces": _FORCES[step] * HARTREE / 2 / BOHR}
        if energies:
            values["supercell_energy"] = _ENERGIES[step] * HARTREE / 2
        frames.append(
            Frame(
                name=f"{name}-{step:06d}",
                atomic_numbers=[11, 17],
                positions=(_FRACTIONS @ _CELL + displaced) * BOHR,
                cell=_CELL * BOHR,
                values=values,
            )
        )
    return frames


def yaml_samples(folder: Path) -> list[Sample]:
    """Write phonopy_params.yaml of Quantum ESPRESSO, in bohr and rydberg."""
    path = folder / "phonopy_params.yaml"
    path.write_text(_yaml(2))
    return [Sample(path=path, frames=_frames("phonopy_params", energies=True))]


def force_sets_samples(folder: Path) -> list[Sample]:
    """Write FORCE_SETS, and phonopy_disp.yaml beside it."""
    write_force_sets(folder / "FORCE_SETS", 2)
    return [Sample(path=folder / "FORCE_SETS", frames=_frames("FORCE_SETS", energies=False))]


def write_parameters(path: Path, count: int) -> None:
    """Write phonopy_params.yaml with so many supercells."""
    path.write_text(_yaml(count))


def write_force_sets(path: Path, count: int) -> None:
    """Write FORCE_SETS with so many supercells, and phonopy_disp.yaml beside it."""
    path.write_text(_force_sets(count))
    path.with_name("phonopy_disp.yaml").write_text(_yaml(count, forces=False))

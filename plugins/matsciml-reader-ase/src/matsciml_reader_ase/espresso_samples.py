"""What pw.x 6.7 writes to XML of dynamics of silicon, shortened, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample
from matsciml_reader_ase.abinit import BOHR, HARTREE

CELL = np.array([[0.0, 4.8, 4.9], [4.8, 0.0, 4.8], [4.9, 4.8, 0.25]])
POSITIONS = np.array([[[0.0, 0, 0], [2.375, 2.5, 2.625]], [[0.0, 0, 0.125], [2.25, 2.5, 2.5]]])
NEXT = np.array([[0.0, 0.0, 0.25], [2.125, 2.5, 2.375]])
"""Where atoms of the last step move, bohr."""
FORCES = np.array([[0.008, 0.005, 0.0], [-0.008, -0.005, -0.016]])
STRESS = np.array([[1.25e-3, -3e-4, -1.25e-4], [-3e-4, 1.125e-3, 0], [-1.25e-4, 0, 1e-3]])
ENERGY = -7.75
_HEADER = """\
<?xml version="1.0" encoding="UTF-8"?>
<qes:espresso xmlns:qes="http://www.quantum-espresso.org/ns/qes/qes-1.0" \
Units="Hartree atomic units">
  <input>
    <control_variables>
      <calculation>{calculation}</calculation>
      <prefix>si</prefix>
    </control_variables>
    <free_positions rank="2" dims="3 2" order="F">
      1 1 0
      1 1 1
      </free_positions>
  </input>
"""
_STRUCTURE = """\
    <atomic_structure nat="2" alat="6.88e0">
      <atomic_positions>
        <atom name="Si" index="1">{first}</atom>
        <atom name="Si1" index="2">{second}</atom>
      </atomic_positions>
      <cell>
        <a1>{cell[0]}</a1>
        <a2>{cell[1]}</a2>
        <a3>{cell[2]}</a3>
      </cell>
    </atomic_structure>
    <total_energy>
      <etot>{energy:.15e}</etot>
      <demet>-1.362146828958153e-2</demet>
    </total_energy>
    <forces rank="2" dims="3 2" order="F">
{forces}
      </forces>
"""
_CONVERGENCE = """\
    <scf_conv>
      <convergence_achieved>true</convergence_achieved>
    </scf_conv>
"""


def _rows(table: np.ndarray) -> list[str]:
    return [" ".join(f"{x:z.15e}" for x in row) for row in table]


def _structure(positions: np.ndarray, energy: float) -> str:
    first, second = _rows(positions)
    forces = "\n".join(_rows(FORCES))
    return _STRUCTURE.format(
        first=first, second=second, cell=_rows(CELL), energy=energy, forces=forces
    )


def write_dynamics(path: Path, count: int, *, calculation: str = "md") -> None:
    """Write steps of molecular dynamics, whose output has the positions of the next step."""
    text = _HEADER.format(calculation=calculation)
    for index in range(count):
        structure = _structure(POSITIONS[index % 2], ENERGY - 1e-3 * index)
        text += f'  <step n_step="{index + 1}">\n{_CONVERGENCE}{structure}  </step>\n'
    text += f"  <output>\n    <convergence_info>\n{_CONVERGENCE}    </convergence_info>\n"
    stress = "\n".join(_rows(STRESS))
    text += _structure(NEXT, ENERGY - 1e-3 * (count - 1))
    text += f'    <stress rank="2" dims="3 3" order="F">\n{stress}\n      </stress>\n  </output>\n'
    path.write_text(text + "</qes:espresso>\n")


def xml_samples(folder: Path) -> list[Sample]:
    """Write two steps."""
    path = folder / "data-file-schema.xml"
    write_dynamics(path, 2)
    stress = {"stress": -STRESS * (HARTREE / BOHR**3)}
    frames = [
        Frame(
            name=f"si-{index:06d}",
            atomic_numbers=[14, 14],
            positions=POSITIONS[index] * BOHR,
            cell=CELL * BOHR,
            values={
                "energy": (ENERGY - 1e-3 * index) * HARTREE,
                "forces": FORCES * (HARTREE / BOHR),
                **(stress if index else {}),
            },
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=write_dynamics)]

"""ML_AB of VASP 6 as its manual describes it, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample

_STAR, _EQUAL, _DASH = (f"{mark * 50}\n" for mark in "*=-")
POSITIONS = np.array([[0.1, 0.2, 0.3], [2.0, 0.0, 2.0], [2.0, 2.0, 2.5]])
CELL = np.array([[4.0, 0.0, 0.5], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]])
FORCES = np.array([[0.5, -0.25, 0.125], [0.25, 0.25, -0.25], [-0.75, 0.0, 0.125]])


def header(count: int) -> str:
    """Return what stands before the configurations."""
    sections = {
        "The number of configurations": f"{count:11d}",
        "The maximum number of atom type": "       2",
        "The atom types in the data file": "     Ti O",
        "The maximum number of atoms per system": "          3",
        "The maximum number of atoms per atom type": "          2",
        "Reference atomic energy (eV)": "   0.00000000000000       0.00000000000000",
        "Atomic mass": "   47.8670000000000        16.0000000000000",
        "The numbers of basis sets per atom type": "     1     1",
        "Basis set for Ti": "          1      1",
        "Basis set for O": "          1      2",
    }
    body = "".join(f"     {key}\n{_DASH}{text}\n{_STAR}" for key, text in sections.items())
    return f" 1.0 Version\n{_STAR}{body}"


def configuration(number: int, *, criterion: bool = True) -> str:
    """Return a configuration, with the line of rule that ends it."""
    learnt = f"     CTIFOR\n{_DASH}  2.000000000000000E-003\n{_EQUAL}" if criterion else ""
    return (
        f"     Configuration num. {number:6d}\n{_EQUAL}"
        f"     System name\n{_DASH}     rutile\n{_EQUAL}"
        f"     The number of atom types\n{_DASH}       2\n{_EQUAL}"
        f"     The number of atoms\n{_DASH}          3\n{_STAR}"
        f"     Atom types and atom numbers\n{_DASH}     Ti      1\n     O       2\n{_EQUAL}{learnt}"
        f"     Primitive lattice vectors (ang.)\n{_DASH}{_rows(CELL)}{_EQUAL}"
        f"     Atomic positions (ang.)\n{_DASH}{_rows(POSITIONS)}{_EQUAL}"
        f"     Total energy (eV)\n{_DASH}{energy(number)}\n{_EQUAL}"
        f"     Forces (eV ang.^-1)\n{_DASH}{_rows(FORCES)}{_EQUAL}"
        f"     Stress (kbar)\n{_DASH}     XX YY ZZ\n{_DASH}"
        f"   1.00000000000000        2.00000000000000        3.00000000000000\n{_DASH}"
        f"     XY YZ ZX\n{_DASH}"
        f"   4.00000000000000        5.00000000000000        6.00000000000000\n{_STAR}"
    )


def energy(number: int) -> str:
    """Return the energy of a configuration, as it is written."""
    return f"  -26.{number:04d}0000000000"


def _rows(table: np.ndarray) -> str:
    return "".join(f"  {x: z.15f}      {y: z.15f}      {z: z.15f}\n" for x, y, z in table)


def mlab_samples(folder: Path) -> list[Sample]:
    """Write ML_ABN with two configurations."""
    path = folder / "ML_ABN"
    # The second is shorter, lest a file that is cut in half end behind a whole configuration.
    path.write_text(header(2) + configuration(1) + configuration(2, criterion=False))
    frames = [
        Frame(
            name=f"ML_ABN-{index:06d}",
            atomic_numbers=[22, 8, 8],
            positions=POSITIONS,
            cell=CELL,
            values={
                "energy": float(energy(index + 1)),
                "forces": FORCES,
                "stress": np.array([[1, 4, 6], [4, 2, 5], [6, 5, 3]]),
            },
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=write_configurations)]


def write_configurations(path: Path, count: int) -> None:
    """Write a file with so many configurations."""
    with path.open("w") as stream:
        stream.write(header(count))
        stream.writelines(configuration(number) for number in range(1, count + 1))

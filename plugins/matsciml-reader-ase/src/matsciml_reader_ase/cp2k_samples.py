"""A run of CP2K, as short as it comes, for ``matsciml check``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample
from matsciml_reader_ase.abinit import BOHR, HARTREE

_ENERGY = -12.5
"""hartree, of the first step."""


def cp2k_samples(folder: Path) -> list[Sample]:
    """Write dynamics of two steps in a cell that changes."""
    path = folder / "water-pos-1.xyz"
    write_run(path, 2)
    frames = [
        Frame(
            name=f"water-1-{step:06d}",
            atomic_numbers=[8, 1],
            positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.9 + 0.01 * step]],
            cell=np.diag([8.0, 9.0, 10.0 + step]),
            values={
                "energy": (_ENERGY - step) * HARTREE,
                "forces": np.array([[0.0, 0.0, -0.01], [0.0, 0.0, 0.01]]) * (HARTREE / BOHR),
            },
        )
        for step in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=write_run)]


def write_run(path: Path, count: int) -> None:
    """Write positions, and forces and cells beside them.

    Args:
        path: The file of positions, ``PROJECT-pos-1.xyz``.
        count: Steps.
    """
    project = path.name.removesuffix("-pos-1.xyz")
    positions, forces = "", ""
    cells = "#   Step   Time [fs]  Ax [Angstrom] ...  Volume [Angstrom^3]\n"
    for step in range(count):
        time, energy = 0.5 * step, _ENERGY - step
        header = f"       2\n i = {step:8d}, time = {time:z12.3f}, E = {energy:z20.10f}\n"
        z = 0.9 + 0.01 * (step % 2)
        positions += f"{header}  O 0.0000000000 0.0000000000 0.0\n  H 0.0 0.0 {z:z20.10f}\n"
        forces += f"{header}  O 0.0000000000 0.0 -0.0100000000\n  H 0.0 0.0 0.0100000000\n"
        c = 10.0 + step % 2
        cells += f"{step:8d} {time:z12.3f} 8.0 0 0 0 9.0 0 0 0 {c} {72 * c}\n"
    path.write_text(positions, encoding="utf-8")
    path.with_name(f"{project}-frc-1.xyz").write_text(forces, encoding="utf-8")
    path.with_name(f"{project}-1.cell").write_text(cells, encoding="utf-8")

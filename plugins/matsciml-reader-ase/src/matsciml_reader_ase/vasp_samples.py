"""Outputs of VASP, as short as they come, with what they hold, for ``matsciml check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample

_VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <atominfo><array name="atoms"><set>
  <rc><c>Na</c><c>1</c></rc><rc><c>Cl</c><c>2</c></rc></set></array></atominfo>
 <structure name="initialpos">
  <varray name="selective"><v type="logical">F F F</v><v type="logical">T T F</v></varray>
 </structure>
{steps}</modeling>
"""
_STEP = """ <calculation>
  <scstep><energy><i name="e_fr_energy">-6.5</i><i name="e_0_energy">-6.4</i></energy></scstep>
  <structure><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 {edge}</v></varray>
  </crystal><varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>
  <varray name="forces"><v>0 0 0.1</v><v>0 0 -0.1</v></varray>
  <varray name="stress"><v>16 0 0</v><v>0 16 0</v><v>0 0 16</v></varray>
  <energy><i name="e_fr_energy">-6.7</i><i name="e_wo_entrp">-6.6</i>
   <i name="e_0_energy">0.3</i></energy>
 </calculation>
"""


def vasprun_samples(folder: Path) -> list[Sample]:
    """Write what VASP leaves of two ionic steps, with its wrong extrapolated energy."""
    path = folder / "vasprun.xml"
    _write_vasprun(path, 2)
    frames = [
        Frame(
            name=f"vasprun-{index:06d}",
            atomic_numbers=[11, 17],
            positions=np.array([[0, 0, 0], [2, 2, 2 + 0.25 * index]]),
            cell=np.diag([4, 4, 4 + 0.5 * index]),
            values={
                "free_energy": -6.7,
                "energy_sigma0": -6.6,
                "forces": [[0, 0, 0.1], [0, 0, -0.1]],
                "stress": np.diag([16.0, 16.0, 16.0]),
            },
            site_properties={"fixed": [1, 0], "held_axes": [0, 32]},
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=_write_vasprun)]


def _write_vasprun(path: Path, count: int) -> None:
    steps = "".join(_STEP.format(edge=4 + 0.5 * (index % 2)) for index in range(count))
    path.write_text(_VASPRUN.format(steps=steps), encoding="utf-8")


def vaspout_samples(folder: Path) -> list[Sample]:
    """Write what VASP leaves of a relaxation, and of molecular dynamics without a stress."""
    path, dynamics = folder / "vaspout.h5", folder / "dynamics.h5"
    _write_vaspout(path, 2)
    _write_vaspout(dynamics, 2, dynamics=True)
    moving = {"velocities": [[0, 0, 0.01], [0, 0, -0.02]], "temperature_TEIN": 300.0}
    return [
        Sample(
            path=path,
            frames=[
                _vaspout_frame(
                    f"vaspout-{index:06d}",
                    index,
                    energy_without_entropy=-6.6,
                    energy_sigma0=-6.65,
                    stress=[[16, 1, 2], [1, 17, 3], [2, 3, 18]],
                    magmom=[2.75, -0.25],
                )
                for index in range(2)
            ],
            write_many=_write_vaspout,
        ),
        Sample(
            path=dynamics,
            frames=[_vaspout_frame(f"dynamics-{i:06d}", i, **moving) for i in range(2)],
        ),
    ]


def _vaspout_frame(name: str, index: int, **values: Any) -> Frame:
    return Frame(
        name=name,
        atomic_numbers=[11, 17],
        positions=np.array([[0, 0, 0], [2, 2, 2 + 0.25 * index]]),
        cell=np.diag([4, 4, 4 + 0.5 * index]),
        values={"free_energy": -6.7, "forces": [[0, 0, 0.1], [0, 0, -0.1]], **values},
        site_properties={"fixed": [1, 0], "held_axes": [0, 32]},
    )


def _write_vaspout(path: Path, count: int, *, dynamics: bool = False) -> None:
    """Write the groups of VASP 6.4 that py4vasp 0.11 reads, with a POSCAR scaled by 4 Å."""
    tags = ("free energy    TOTEN   ", "energy without entropy ", "energy(sigma->0)       ")
    energies = [-6.7, -6.6, -6.65]
    if dynamics:
        tags = ("ion-electron   TOTEN", "kinetic energy EKIN", "temperature    TEIN")
        energies = [-6.7, 0.1, 300.0]
    edges = 4 + 0.5 * (np.arange(count) % 2)
    cells = np.zeros((count, 3, 3))
    cells[:, 0, 0] = cells[:, 1, 1] = 4
    cells[:, 2, 2] = edges
    stress = np.zeros((3, 3)) if dynamics else np.array([[16, 1, 2], [1, 17, 3], [2, 3, 18]])
    # Components (charge, moment along z), atoms, orbitals.
    moments = [[[0.5, 6.0], [1.5, 5.0]], [[0.5, 2.25], [0.0, -0.25]]]

    def each_step(values: Any) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=np.float64)
        return np.broadcast_to(array, (count, *array.shape))

    with h5py.File(path, "w") as file:
        for part, number in (("major", 6), ("minor", 4), ("patch", 3)):
            file[f"version/{part}"] = number
        for group in ("input/poscar", "results/positions"):
            file[f"{group}/scale"] = 4.0
            file[f"{group}/lattice_vectors"] = np.eye(3)
            file[f"{group}/ion_types"] = np.array(["Na", "Cl"], dtype="S2")
            file[f"{group}/number_ion_types"] = [1, 1]
            file[f"{group}/position_ions"] = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
            file[f"{group}/direct_coordinates"] = 1
            file[f"{group}/selective_dynamics"] = 1
            file[f"{group}/selective_dynamics_ions"] = [[0, 0, 0], [1, 1, 0]]
        steps = file.create_group("intermediate/ion_dynamics")
        steps["scale"] = 1.0
        steps["lattice_vectors"] = cells
        steps["position_ions"] = each_step([[0, 0, 0], [0.5, 0.5, 0.5]])
        steps["energies_tags"] = np.array(tags, dtype="S")
        steps["energies"] = each_step(energies)
        steps["forces"] = each_step([[0, 0, 0.1], [0, 0, -0.1]])
        steps["stress"] = each_step(stress)
        if dynamics:
            steps["ion_velocities"] = each_step([[0, 0, 0.01], [0, 0, -0.02]])
        else:
            steps["magnetism/spin_moments/values"] = each_step(moments)

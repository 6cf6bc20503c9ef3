"""Files as the codes document them, with what they hold, for ``matsciml check``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import hcp_magnesium, sodium_chloride
from matsciml_reader_potentials.atomic_units import BOHR


def deepmd_samples(folder: Path) -> list[Sample]:
    """Write a system of one composition, as dpdata 1.1.0 does, and one of mixed types."""
    return [_one_composition(folder / "plain"), _mixed(folder / "mixed")]


def _one_composition(folder: Path) -> Sample:
    crystal = sodium_chloride()
    forces = np.array([[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("1\n0\n")
    (folder / "type_map.raw").write_text("Cl\nNa\n")
    arrays = {
        "coord": np.tile(crystal.positions.ravel(), (2, 1)),
        "box": np.tile(crystal.cell.ravel(), (2, 1)),
        "energy": np.array([[-6.5], [-7.5]]),
        "force": np.stack([forces.ravel(), -forces.ravel()]),
        "virial": np.tile(np.diag([1.0, 2.0, 3.0]).ravel(), (2, 1)),
    }
    for name, rows in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", rows)
    frames = [
        frame_of(
            crystal,
            {"energy": -6.5 - index, "forces": sign * forces, "virial": np.diag([1.0, 2.0, 3.0])},
            name=f"{folder.name}-{index:06d}",
        )
        for index, sign in enumerate((1, -1))
    ]
    return Sample(path=folder, frames=frames)


def _mixed(folder: Path) -> Sample:
    system = folder / "3"
    (system / "set.000").mkdir(parents=True)
    (system / "type.raw").write_text("0\n0\n0\n")
    (system / "type_map.raw").write_text("Mg\nNa\nCl\n")
    crystals = (sodium_chloride(), hcp_magnesium())
    # Three places for two atoms each: the place between them, or behind them, holds none.
    places, types = ((0, 2), (0, 1)), ([1, -1, 2], [0, 0, -1])
    coord = np.zeros((2, 3, 3))
    for row, (crystal, place) in enumerate(zip(crystals, places, strict=True)):
        coord[row, list(place)] = crystal.positions
    arrays = {
        "coord": coord.reshape(2, 9),
        "box": np.stack([crystal.cell.ravel() for crystal in crystals]),
        "energy": np.array([-6.5, -3.0]),
        "real_atom_types": np.array(types),
    }
    for name, rows in arrays.items():
        np.save(system / "set.000" / f"{name}.npy", rows)
    frames = [
        frame_of(crystal, {"energy": energy}, name=f"{folder.name}/3-{index:06d}")
        for index, (crystal, energy) in enumerate(zip(crystals, (-6.5, -3.0), strict=True))
    ]
    return Sample(path=folder, frames=frames)


# As MLIP-2 writes what it converts from an OUTCAR.
_CFG = """\
BEGIN_CFG
 Size
    2
 Supercell
         4.000000      0.000000      0.500000
         0.000000      4.000000      0.000000
         0.000000      0.000000      4.500000
 AtomData:  id type       {axes}           fx          fy          fz
             1    0       0.000000      0.000000      0.000000     0.100000    -0.200000    0.300000
             2    1       {second}    -0.100000     0.200000    -0.300000
 Energy
        -6.500000000000
 PlusStress:  xx          yy          zz          yz          xz          xy
     1.00000     2.00000     3.00000     4.00000     5.00000     6.00000
 Feature   EFS_by       VASP
END_CFG

"""
_CARTESIAN = {
    "axes": "cartes_x      cartes_y      cartes_z",
    "second": "2.000000      2.000000      2.500000",
}
_DIRECT = {
    "axes": "direct_x      direct_y      direct_z",
    "second": "0.500000      0.500000      0.500000",
}


def mtp_samples(folder: Path) -> list[Sample]:
    """Write configurations with Cartesian and with direct coordinates, of types that are Na, Cl."""
    path = folder / "train.cfg"
    # The second is shorter, lest a file that is cut in half end behind a whole configuration.
    second = _CFG.format(**_DIRECT).replace(" Feature   EFS_by       VASP\n", "")
    path.write_text(_CFG.format(**_CARTESIAN) + second, encoding="utf-8")
    frames = [
        Frame(
            name=f"train-{index:06d}",
            atomic_numbers=[11, 17],
            positions=np.array([[0, 0, 0], [2, 2, 2.5]]),
            cell=np.array([[4, 0, 0.5], [0, 4, 0], [0, 0, 4.5]]),
            values={
                "energy": -6.5,
                "forces": [[0.1, -0.2, 0.3], [-0.1, 0.2, -0.3]],
                "plus_stress": [1, 2, 3, 4, 5, 6],
            },
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=_write_configurations)]


def _write_configurations(path: Path, count: int) -> None:
    path.write_text(_CFG.format(**_CARTESIAN) * count, encoding="utf-8")


_STRUCTURE = """\
begin
comment from a trajectory
lattice 8.0 0.0 0.0
lattice 0.0 8.0 0.0
lattice 0.0 0.0 9.0
atom 0.0 0.0 0.0 Na 0.5 0.0 0.01 -0.02 0.03
atom 4.0 4.0 4.5 Cl -0.5 0.0 -0.01 0.02 -0.03
energy -0.25
charge 0.0
end
"""


def n2p2_samples(folder: Path) -> list[Sample]:
    """Write structures of RuNNer, in bohr and hartree."""
    path = folder / "input.data"
    # The second is shorter, lest a file that is cut in half end behind a whole structure.
    second = _STRUCTURE.replace("comment from a trajectory\n", "")
    path.write_text(_STRUCTURE + second, encoding="utf-8")
    frames = [
        Frame(
            name=f"input-{index:06d}",
            atomic_numbers=[11, 17],
            positions=np.array([[0, 0, 0], [4, 4, 4.5]]) * BOHR,
            cell=np.diag([8, 8, 9]) * BOHR,
            values={
                "energy": -0.25,
                "charge": 0.0,
                "charges": [0.5, -0.5],
                "forces": [[0.01, -0.02, 0.03], [-0.01, 0.02, -0.03]],
            },
        )
        for index in range(2)
    ]
    return [Sample(path=path, frames=frames, write_many=_write_structures)]


def _write_structures(path: Path, count: int) -> None:
    path.write_text(_STRUCTURE * count, encoding="utf-8")

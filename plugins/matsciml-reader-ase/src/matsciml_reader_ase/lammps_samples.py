"""What LAMMPS 22Jul2025 wrote of a skewed cell with four atoms, in real units, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample

_RESTRICTED = """\
ITEM: BOX BOUNDS xy xz yz pp pp pp
-1.4145631595510961e+00 5.4801505629628924e+00 9.9996212432059350e-01
-5.0000000000000010e-02 5.7211381898602971e+00 -9.1956315955109613e-01
0.0000000000000000e+00 5.0000000000000000e+00 8.4670159772874232e-01
"""
_GENERAL = """\
ITEM: BOX BOUNDS abc origin pp pp pp
4.9499999999999984e+00 5.0000000000000211e-01 0.0000000000000000e+00 -4.9500000000000000e-01
4.9999999999999989e-01 4.9999999999999982e+00 0.0000000000000000e+00 -5.0000000000000010e-02
-9.9999999999999978e-01 7.4999999999999989e-01 5.0000000000000000e+00 0.0000000000000000e+00
"""
_BEGIN = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n4\n"
UNITS = "ITEM: UNITS\nreal\n"
"""What ``dump_modify units yes`` writes, before the first frame alone."""
NAMED = f"""\
{_BEGIN}{_RESTRICTED}\
ITEM: ATOMS id type element x y z q fx fy fz mass
1 1 Na 0.0446831 0.0738898 0.15 1 5.03703 -1.63992 3.34004 22.9898
2 2 Cl 2.9717 2.42915 0.1 -1 5.85202 -1.77106 3.38453 36.966
4 1 Na 0.0427183 2.83557 2.5 1 -0.582854 -1.53429 -0.666169 22.9898
3 2 Cl 2.88104 5.29779 2.5 -1 -10.3062 4.94526 -6.0584 36.966
"""
SCALED = f"""\
{_BEGIN}{_RESTRICTED}\
ITEM: ATOMS id type xs ys zs vx vy vz
4 1 0.1 0.5 0.5 0.00590949 -0.000780842 -8.93239e-05
3 2 0.57 1 0.5 -0.00233842 0.00190166 0.00118114
2 2 0.6 0.5 0.02 0.00104239 0.000701663 -0.00259994
1 1 0.11 0.02 0.03 -0.00382556 -0.00340513 0.00237066
"""
GENERAL = f"""\
{_BEGIN}{_GENERAL}\
ITEM: ATOMS id element xu yu zu fx fy fz
1 Na 0.0295 0.1275 0.15 5.17634 -1.1254 3.34004
2 Cl 2.705 2.765 0.1 6.00038 -1.17397 3.38453
4 Na -0.25 2.875 2.5 -0.425709 -1.5851 -0.666169
3 Cl 1.8265 0.61 2.5 -10.751 3.88447 -6.0584
"""
VECTORS = 5 * np.array([[0.99, 0.1, 0], [0.1, 1, 0], [-0.2, 0.15, 1]])
"""The cell as LAMMPS was told, Å."""
EDGES = np.array(
    [
        [4.975188438642298, 0, 0],
        [0.9999621243205935, 4.924436592131555, 0],
        [-0.9195631595510961, 0.8467015977287423, 5],
    ]
)
"""The same, turned as LAMMPS runs it and returns it from ``extract_box``."""
CORNER = np.array([-0.495, -0.05, 0.0])
"""Where the cell begins, and what it turns around, Å."""
_FRACTIONS = np.array([[0.01, 0.02, 0.03], [0.5, 0.5, 0.02], [0.47, 0, 0.5], [0, 0.5, 0.5]])
FORCES = 0.043364104241800 * np.array(
    [
        [5.03703, -1.63992, 3.34004],
        [5.85202, -1.77106, 3.38453],
        [-10.3062, 4.94526, -6.0584],
        [-0.582854, -1.53429, -0.666169],
    ]
)
"""In the turned cell, eV/Å."""
_VELOCITIES = [
    [-0.00382556, -0.00340513, 0.00237066],
    [0.00104239, 0.000701663, -0.00259994],
    [-0.00233842, 0.00190166, 0.00118114],
    [0.00590949, -0.000780842, -8.93239e-05],
]


def _frame(name: str, cell: NDArray[np.float64], values: dict[str, Any]) -> Frame:
    return Frame(
        name=f"{name}-000000",
        atomic_numbers=[11, 17, 17, 11],
        positions=_FRACTIONS @ cell + 0.1 * cell[0] + CORNER,
        cell=cell,
        values={"timestep": 0, **values},
    )


def lammps_dump_samples(folder: Path) -> list[Sample]:
    """Write dumps: of elements and charges, of types and fractions, and of the cell as it was."""
    samples = []
    for name, text, cell, values in (
        ("named", NAMED, EDGES, {"forces": FORCES, "charges": [1, -1, -1, 1]}),
        ("scaled", SCALED, EDGES, {"velocities": _VELOCITIES}),
        ("general", GENERAL, VECTORS, {}),
    ):
        path = folder / f"{name}.lammpstrj"
        path.write_text(UNITS + text, encoding="utf-8")
        frame = _frame(name, cell, values)
        samples.append(Sample(path=path, frames=[frame], precision=2e-5, write_many=_write_many))
    return samples


def _write_many(path: Path, count: int) -> None:
    path.write_text(UNITS + NAMED * count, encoding="utf-8")

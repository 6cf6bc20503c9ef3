"""What CP2K 2023.1 printed of a skewed cell of silicon, as short as it comes, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample
from matsciml_reader_ase.abinit import BOHR, HARTREE

HEADER = """\
 CP2K| version string:                                       CP2K version 2023.1
 GLOBAL| Project name                                                         si
 GLOBAL| Run type                                                   ENERGY_FORCE

 CELL| Volume [angstrom^3]:                                            39.288629
 CELL| Vector a [angstrom]:       0.000     2.715     2.715   |a| =     3.839590
 CELL| Vector b [angstrom]:       2.715     0.000     2.715   |b| =     3.839590
 CELL| Vector c [angstrom]:       2.715     2.715     0.100   |c| =     3.840892
 CELL| Angle (b,c), alpha [degree]:                                    58.785700
 CELL| Angle (a,c), beta  [degree]:                                    58.785700
 CELL| Angle (a,b), gamma [degree]:                                    60.000000
 CELL| Periodicity                                                           XYZ

 MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM

   Atom Kind Element         X             Y             Z       Z(eff)     Mass
      1    1 Si   14      0.000000      0.000000      0.000000   4.0000  28.0855
      2    1 Si   14      1.457500      1.357500      1.357500   4.0000  28.0855

"""
STEP = """\
 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -7.868180823575067

 ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X              Y              Z
      1      1      Si          0.04449742     0.00861750    -0.01178714
      2      1      Si         -0.04449746    -0.00861748     0.01178718
 SUM OF ATOMIC FORCES          -0.00000004     0.00000001     0.00000004     0.00000006

 STRESS| Analytical stress tensor [GPa]
 STRESS|                        x                   y                   z
 STRESS|      x        3.94107213024E+00  -3.72083500956E+00  -9.41510537525E+00
 STRESS|      y       -3.72083500956E+00   5.53157939078E+00  -1.55209189236E+01
 STRESS|      z       -9.41510537525E+00  -1.55209189236E+01   7.09414891283E+00
 STRESS| 1/3 Trace                                             5.52226681128E+00

 STRESS| Eigenvectors and eigenvalues of the analytical stress tensor [GPa]
 STRESS|                        1                   2                   3
 STRESS| Eigenvalues  -1.40513279920E+01   7.65863449764E+00   2.29594939282E+01
 STRESS|      x           0.464267997042     -0.849463976704     -0.250731288844
 STRESS|      y           0.602641334757      0.510428946626     -0.613421316950
 STRESS|      z           0.649059818942      0.133690847590      0.748897929431

"""
PRESSURE = [
    [3.94107213024, -3.72083500956, -9.41510537525],
    [-3.72083500956, 5.53157939078, -15.5209189236],
    [-9.41510537525, -15.5209189236, 7.09414891283],
]
"""GPa, positive under compression."""


def cp2k_log_samples(folder: Path) -> list[Sample]:
    """Write the log of a single point."""
    path = folder / "si.out"
    path.write_text(HEADER + STEP, encoding="utf-8")
    forces = [[0.04449742, 0.0086175, -0.01178714], [-0.04449746, -0.00861748, 0.01178718]]
    frame = Frame(
        name="si-000000",
        atomic_numbers=[14, 14],
        positions=[[0.0, 0.0, 0.0], [1.4575, 1.3575, 1.3575]],
        cell=[[0, 2.715, 2.715], [2.715, 0, 2.715], [2.715, 2.715, 0.1]],
        values={
            "energy": -7.868180823575067 * HARTREE,
            "forces": np.array(forces) * (HARTREE / BOHR),
            "stress": -np.array(PRESSURE) / 160.21766208,
        },
    )
    return [Sample(path=path, frames=[frame], precision=2e-6)]

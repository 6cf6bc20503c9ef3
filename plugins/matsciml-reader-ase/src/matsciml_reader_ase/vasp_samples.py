"""Outputs of VASP, as short as they come, with what they hold, for ``matsciml check``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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

"""Files of extended XYZ as other programs write them, with what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data.readers.extxyz.writing import write_frame
from matsciml_core.data.readers.frames import Frame
from matsciml_core.testing.crystals import sodium_chloride, triclinic
from matsciml_core.testing.reader.sample import Sample, frame_of

# As ASE 3.29 writes a slab with FixAtoms, tags, and the results of a calculator.
_SLAB = """\
3
Lattice="3.0 0.0 0.0 0.0 3.0 0.0 0.0 0.0 12.0" Properties=species:S:1:pos:R:3:move_mask:L:1:tags:I\
:1:forces:R:3 energy=-9.25 stress="-0.01 0.002 0.001 0.002 -0.02 0.003 0.001 0.003 -0.03" \
pbc="T T F"
Cu       0.00000000       0.00000000       2.00000000  F        2       0.10000000      -0.20000000\
       0.30000000
Cu       0.00000000       0.00000000       4.00000000  T        1       0.00000000       0.00000000\
      -0.05000000
O        0.00000000       0.00000000       6.00000000  T        0      -0.10000000       0.20000000\
      -0.25000000
"""
# As most programs write molecules: no cell, and a comment that is anything.
_MOLECULE = """\
2
CO, 0 K
C 0.0 0.0 0.0
O 0.0 0.0 1.128
"""


def samples(folder: Path) -> list[Sample]:
    """Write files of the dialects in use.

    Args:
        folder: An empty folder.
    """
    slab, molecule, crystals = (folder / f"{name}.xyz" for name in ("slab", "molecule", "crystals"))
    slab.write_text(_SLAB, encoding="utf-8")
    molecule.write_text(_MOLECULE, encoding="utf-8")
    with crystals.open("w", encoding="utf-8") as stream:
        for crystal in (sodium_chloride(), triclinic()):
            write_frame(stream, crystal)
    return [
        Sample(path=slab, frames=[_slab_frame()]),
        Sample(
            path=molecule,
            frames=[
                Frame(
                    name="molecule-000000",
                    atomic_numbers=[6, 8],
                    positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 1.128]],
                    cell=np.zeros((3, 3)),
                    pbc=(False, False, False),
                )
            ],
        ),
        Sample(
            path=crystals,
            frames=[frame_of(crystal) for crystal in (sodium_chloride(), triclinic())],
            write_many=_write_many,
        ),
    ]


def _slab_frame() -> Frame:
    return Frame(
        name="slab-000000",
        atomic_numbers=[29, 29, 8],
        positions=[[0.0, 0.0, 2.0], [0.0, 0.0, 4.0], [0.0, 0.0, 6.0]],
        cell=np.diag([3.0, 3.0, 12.0]),
        pbc=(True, True, False),
        values={
            "energy": -9.25,
            "forces": [[0.1, -0.2, 0.3], [0, 0, -0.05], [-0.1, 0.2, -0.25]],
            "stress": [-0.01, -0.02, -0.03, 0.003, 0.001, 0.002],
        },
        site_properties={"fixed": [1, 0, 0], "tags": [2, 1, 0]},
    )


def _write_many(path: Path, count: int) -> None:
    # Frames of many atoms, so that a reader that holds them all is seen beside its block of text.
    positions = np.random.default_rng(0).uniform(0, 40, (100, 3))
    lines = "".join(f"H {x:z.8f} {y:z.8f} {z:z.8f}\n" for x, y, z in positions.tolist())
    frame = f'{len(positions)}\nLattice="40 0 0 0 40 0 0 0 40"\n{lines}'
    path.write_text(frame * count, encoding="utf-8")

"""Files that pymatgen and VASP's users write, with what they hold, for ``matsciml check``."""

from __future__ import annotations

import json
from pathlib import Path

from matsciml_core.convert import to_pymatgen
from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import hcp_magnesium, rutile, sodium_chloride, triclinic

# Selective dynamics, Cartesian coordinates and a scale, as VASP leaves them in a CONTCAR.
_CONTCAR = """\
relaxed slab
   2.0
     1.5  0.0  0.0
     0.0  1.5  0.0
     0.0  0.0  6.0
   Cu O
   2 1
Selective dynamics
Cartesian
  0.00  0.00  1.00  F F F
  0.00  0.00  2.00  T T T
  0.00  0.00  3.00  T T T
"""
# As databases publish them: symmetry instead of all atoms, uncertainties in brackets.
_RUTILE = """\
data_rutile
_cell_length_a 4.5937(3)
_cell_length_b 4.5937(3)
_cell_length_c 2.9587(2)
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 42/m n m'
_symmetry_Int_Tables_number 136
_chemical_formula_sum 'Ti2 O4'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Ti1 Ti 0 0 0 1
O1 O 0.3048 0.3048 0 1
"""


def cif_samples(folder: Path) -> list[Sample]:
    """Write files of CIF: by pymatgen, and by hand with symmetry."""
    samples = []
    for crystal in (sodium_chloride(), hcp_magnesium(), triclinic()):
        path = folder / f"{crystal.id}.cif"
        to_pymatgen(crystal).to(str(path))
        # A CIF has lengths and angles, with eight digits; the cell is turned.
        samples.append(
            Sample(path=path, frames=[frame_of(crystal)], precision=2e-6, same_orientation=False)
        )
    path = folder / "rutile.cif"
    path.write_text(_RUTILE, encoding="utf-8")
    frame = frame_of(rutile(), name="rutile")
    return [*samples, Sample(path=path, frames=[frame], same_orientation=False)]


def poscar_samples(folder: Path) -> list[Sample]:
    """Write files of POSCAR: by pymatgen, in a folder of their own, and as VASP leaves them."""
    crystal = triclinic()
    path = folder / f"{crystal.id}.vasp"
    to_pymatgen(crystal).to(str(path), fmt="poscar")
    slab = folder / "slab" / "CONTCAR"
    slab.parent.mkdir()
    slab.write_text(_CONTCAR, encoding="utf-8")
    relaxed = Frame(
        name="slab",
        atomic_numbers=[29, 29, 8],
        positions=[[0, 0, 2], [0, 0, 4], [0, 0, 6]],
        cell=[[3, 0, 0], [0, 3, 0], [0, 0, 12]],
    )
    return [
        Sample(path=path, frames=[frame_of(crystal)]),
        Sample(path=slab, frames=[relaxed]),
        Sample(path=slab.parent.parent / "slab", frames=[relaxed]),
    ]


def json_samples(folder: Path) -> list[Sample]:
    """Write files of JSON by pymatgen: one structure, and a list with properties."""
    crystals = (sodium_chloride(), triclinic())
    single = folder / "one.json"
    to_pymatgen(crystals[0]).to(str(single))
    several = folder / "several.json"
    structures = [to_pymatgen(crystal) for crystal in crystals]
    for index, structure in enumerate(structures):
        structure.properties = {"gap": 0.5 + index}
    several.write_text(json.dumps([structure.as_dict() for structure in structures]))
    return [
        Sample(path=single, frames=[frame_of(crystals[0], name="one-000000")]),
        Sample(
            path=several,
            frames=[
                frame_of(crystal, {"gap": 0.5 + index}, name=f"several-{index:06d}")
                for index, crystal in enumerate(crystals)
            ],
        ),
    ]

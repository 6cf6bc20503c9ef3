"""What a file says of how its atoms move: which are held, and how heavy they are."""

from __future__ import annotations

import json

import numpy as np
from pymatgen.core import Structure

from matsciml_core.data.readers import read

POSCAR = """\
slab
1.0
2.6 0.0 0.0
1.3 2.2 0.0
0.0 0.0 20.0
Cu O
2 1
Selective dynamics
Direct
0.0 0.0 0.1 F F F
0.3 0.3 0.2 T T F
0.6 0.6 0.3 T T T
"""
DEUTERIUM = """\
data_heavy_hydride
_cell_length_a 4.0
_cell_length_b 4.0
_cell_length_c 4.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_Int_Tables_number 1
loop_
_space_group_symop_operation_xyz
x,y,z
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Li1 Li 0 0 0
D1 D 0.5 0.5 0.5
"""


def plain(site_properties):
    return {name: values.tolist() for name, values in site_properties.items()}


def test_selective_dynamics_hold_along_lattice_vectors(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    Structure.from_str(POSCAR, fmt="poscar").to(str(tmp_path / "slab.json"))
    for name in ("POSCAR", "slab.json"):
        (frame,) = read(tmp_path / name)
        assert plain(frame.site_properties) == {"fixed": [1, 0, 0], "held_axes": [0, 32, 0]}


def test_isotopes_keep_their_masses(tmp_path):
    (tmp_path / "heavy.cif").write_text(DEUTERIUM)
    structure = Structure.from_file(tmp_path / "heavy.cif").as_dict()
    structure["sites"][1]["species"][0]["element"] = "D"  # pymatgen itself writes H
    (tmp_path / "heavy.json").write_text(json.dumps(structure))
    for name in ("heavy.cif", "heavy.json"):
        (frame,) = read(tmp_path / name)
        assert sorted(frame.atomic_numbers) == [1, 3]
        masses = np.asarray(frame.values["masses"])
        assert masses[np.asarray(frame.atomic_numbers) == 1].tolist() == [2.014101778]
        assert np.isnan(masses[np.asarray(frame.atomic_numbers) == 3]).all()


def test_without_isotopes_no_masses_are_made_up(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    (frame,) = read(tmp_path / "POSCAR")
    assert "masses" not in frame.values

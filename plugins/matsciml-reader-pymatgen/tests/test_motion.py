"""What a file says of how its atoms move: which are held, and how heavy they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
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


@pytest.mark.parametrize("header", ["", "Cu O\n"])
def test_flags_are_no_elements(tmp_path, header):
    # T and F are also tritium and fluorine; of VASP 4 the symbols stand behind the flags.
    flags = iter(("F F F Cu", "T T F Cu", "T T T O"))
    lines = [
        f"{' '.join(line.split()[:3])} {next(flags)}" if line[-1] in "FT" else line
        for line in POSCAR.splitlines()
    ]
    (tmp_path / "POSCAR").write_text("\n".join(lines).replace("Cu O\n", header))
    (frame,) = read(tmp_path / "POSCAR")
    assert list(frame.atomic_numbers) == [29, 29, 8]
    (tmp_path / "POSCAR").write_text(POSCAR.replace("Cu O\n", "").replace("slab", "a slab"))
    (frame,) = read(tmp_path / "POSCAR")
    assert "no line of symbols" in frame.reason


def test_symbols_that_contradict_each_other_are_rejected(tmp_path):
    text = POSCAR.replace("Selective dynamics\n", "").replace("F F F", "O").replace("T T F", "Cu")
    (tmp_path / "POSCAR").write_text(text.replace("T T T", "O"))
    (rejection,) = read(tmp_path / "POSCAR")
    assert "that atom 1 is Cu, and at the end of the atom's line that it is O" in rejection.detail


def test_velocities_are_read_and_a_comment_is_no_number(tmp_path):
    text = POSCAR.replace("2 1\n", "2 1 ! 16 layers\n")
    zeros = "0.0 0.0 0.0\n" * 3
    (tmp_path / "POSCAR").write_text(f"{text}\n{zeros}")
    (frame,) = read(tmp_path / "POSCAR")
    assert frame.values == {}
    (tmp_path / "POSCAR").write_text(f"{text}\n0.0 0.1 0.0\n{zeros}")
    (frame,) = read(tmp_path / "POSCAR")
    assert frame.values["velocities"].tolist() == [[0, 0.1, 0], [0, 0, 0], [0, 0, 0]]


def test_three_scale_factors_are_positive(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR.replace("1.0\n", "-1.0 1.0 1.0\n", 1))
    (rejection,) = read(tmp_path / "POSCAR")
    assert "must be positive" in rejection.reason


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


def test_an_isotope_of_a_poscar_keeps_its_mass(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR.replace("Cu O", "D O"))
    (frame,) = read(tmp_path / "POSCAR")
    assert list(frame.atomic_numbers) == [1, 1, 8]
    assert frame.values["masses"][:2].tolist() == [2.014101778] * 2


def test_without_isotopes_no_masses_are_made_up(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    (frame,) = read(tmp_path / "POSCAR")
    assert "masses" not in frame.values

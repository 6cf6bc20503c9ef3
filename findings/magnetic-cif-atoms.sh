#!/usr/bin/env bash
# ase 3.29.0, gemmi 0.7.5: of a magnetic CIF they read the atoms that are listed, and not those that its symmetry adds.
#
# Guess: a magnetic CIF, as MAGNDATA has them, gives at least its atoms to a reader that knows nothing of moments.
# Seen: the operations of a magnetic CIF stand under names of their own, `_space_group_symop_magn_operation.xyz`,
# next to which no others are needed. Without these ASE reads P 1, and nickel oxide has one nickel and one oxygen
# in a cell for four of each, at a quarter of its density; gemmi has two sites of eight. pymatgen reads all, with
# their moments. Nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0" "gemmi==0.7.5" "pymatgen==2026.10.24" \
  "pymatgen-core==2026.10.16"
cd "$folder"
cat > nickel-oxide.mcif <<'CIF'
data_NiO
_space_group_magn.number_BNS 15.90
_space_group_magn.name_BNS "C_c 2/c"
_cell_length_a 5.1
_cell_length_b 2.95
_cell_length_c 5.9
_cell_angle_alpha 90
_cell_angle_beta 125.26
_cell_angle_gamma 90

loop_
_space_group_symop_magn_operation.id
_space_group_symop_magn_operation.xyz
1 x,y,z,+1
2 -x,-y,-z,+1
3 x+1/2,y+1/2,z,+1
4 -x+1/2,-y+1/2,-z,+1

loop_
_space_group_symop_magn_centering.id
_space_group_symop_magn_centering.xyz
1 x,y,z,+1
2 x,y,z+1/2,-1

loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Ni1 Ni 0.0 0.0 0.0 1
O1 O 0.5 0.0 0.25 1

loop_
_atom_site_moment.label
_atom_site_moment.crystalaxis_x
_atom_site_moment.crystalaxis_y
_atom_site_moment.crystalaxis_z
Ni1 0.0 1.5 0.0
CIF
"$folder/venv/bin/python" - <<'PY'
import warnings

import gemmi
from ase.io import read
from pymatgen.io.cif import CifParser

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    atoms = read("nickel-oxide.mcif", format="cif")
    sites = gemmi.read_small_structure("nickel-oxide.mcif").get_all_unit_cell_sites()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    (structure,) = CifParser("nickel-oxide.mcif").parse_structures(primitive=False)
density = atoms.get_masses().sum() * 1.66053907 / atoms.get_volume()
print(f"ASE: {atoms.get_chemical_formula()}, {density:.2f} g/cm³, symmetry {atoms.info['spacegroup'].symbol}; "
      f"gemmi: {len(sites)} sites; pymatgen: {structure.composition}, {structure.density:.2f} g/cm³; "
      f"warnings: {[str(one.message) for one in caught if 'CIF' in str(one.message).upper()]}")
assert atoms.get_chemical_formula() == "NiO" and len(sites) == 2, (atoms, sites)
assert structure.composition.formula == "Ni4 O4" and 6 < structure.density < 7.5, structure
print("ase 3.29.0 and gemmi 0.7.5 still read the listed atoms of a magnetic CIF only.")
PY

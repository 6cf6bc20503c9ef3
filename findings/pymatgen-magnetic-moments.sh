#!/usr/bin/env bash
# pymatgen 2026.10.24: of the two places of magnetic moments, symmetry heeds one, and conversion to ASE the other.
#
# Guess: an antiferromagnet stays one, whether its moments are the site property `magmom` (what VASP's
# readers leave) or the spin of its species (what magnetic orderings are made with). Seen: with `magmom`,
# the space group is the one without moments, and the primitive cell keeps one atom, so that the
# antiferromagnet becomes a ferromagnet of 2 Bohr magnetons per atom; with the spin both are right, but
# AseAtomsAdaptor leaves the moments out. None of it brings a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "pymatgen-core==2026.10.16" "spglib==2.8.0" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

moments = [2.0, -2.0]
iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
with_property, with_spin = iron.copy(), iron.copy()
with_property.add_site_property("magmom", moments)
with_spin.add_spin_by_site(moments)
seen = {}
for name, structure in (("magmom", with_property), ("spin", with_spin)):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        group = SpacegroupAnalyzer(structure).get_space_group_symbol()
        primitive = structure.get_primitive_structure()
        in_ase = AseAtomsAdaptor.get_atoms(structure).get_initial_magnetic_moments().tolist()
    said = [str(one.message) for one in caught if "magn" in str(one.message).lower() or "spin" in str(one.message).lower()]
    left = primitive.site_properties.get("magmom") or [site.specie.spin for site in primitive]
    seen[name] = group, len(primitive), [float(moment) for moment in left], in_ase
    print(f"{name}: {group}, primitive cell of {len(primitive)} with moments {seen[name][2]}, in ASE {in_ase}, warnings {said}")
    assert not said, said
assert seen["magmom"] == ("Im-3m", 1, [2.0], moments), seen
assert seen["spin"][:2] == ("Pm-3m", 2) and sorted(seen["spin"][2]) == sorted(moments), seen
assert seen["spin"][3] == [0.0, 0.0], seen
print("pymatgen 2026.10.24 still heeds moments in one place each.")
PY

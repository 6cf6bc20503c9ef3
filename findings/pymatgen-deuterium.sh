#!/usr/bin/env bash
# pymatgen 2026.10.24: deuterium is an element of its own when it comes to mass, and hydrogen when it
# comes to identity and to files.
#
# Guess: what distinguishes two structures in memory distinguishes them when compared and written.
# Seen: Composition("D2O") equals Composition("H2O") and has its formula, but weighs 2.01 amu more; the
# density of a structure uses the heavier mass; POSCAR and CIF name the site H, so that a file read back
# is lighter than the structure that was written. No warning is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24"
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

from pymatgen.core import Composition, Lattice, Structure

heavy, light = Composition("D2O"), Composition("H2O")
print("equal:", heavy == light, "formula:", heavy.reduced_formula)
print("weights / amu:", float(heavy.weight), float(light.weight))
assert heavy == light and heavy.reduced_formula == "H2O"
assert abs(float(heavy.weight) - float(light.weight) - 2.01) < 0.01

crystal = Structure(Lattice.cubic(4.0), ["D", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    again = {form: Structure.from_str(crystal.to(fmt=form), fmt=form) for form in ("poscar", "cif")}
for form, read in again.items():
    print(form, [site.species_string for site in read], "g/cm³:", float(crystal.density), float(read.density))
    assert "H" in [site.species_string for site in read]
    assert float(read.density) < float(crystal.density) - 0.02
assert not [one for one in caught if "deuterium" in str(one.message).lower()]
print("pymatgen 2026.10.24 still writes deuterium as hydrogen, and says nothing.")
PY

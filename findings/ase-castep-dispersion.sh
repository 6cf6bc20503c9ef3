#!/usr/bin/env bash
# ase 3.29.0: energies of CASTEP runs with a dispersion correction lack it; their forces have it.
#
# Guess: get_potential_energy() of a run with SEDC is the dispersion-corrected energy, as the code of the
# reader says and its tests check. Seen: the reader stores it as `energy_with_dispersion_correlation`,
# and looks for `energy_with_dispersion_correction`, which its tests hand in directly. The energy without
# the correction is returned without a word, 0.57 eV above the one that the printed forces belong to.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from ase.io import read

TEXT = """ +-------------------------------------------------+
 |  Welcome to Academic Release CASTEP version 23  |
 +-------------------------------------------------+
 ************************************ Title ************************************

 *******************************************************************************

                                      Unit Cell
        Real Lattice(A)              Reciprocal Lattice(1/A)
     4.0000000     0.0000000     0.0000000        1.570796327   0.000000000   0.000000000
     0.0000000     4.0000000     0.0000000        0.000000000   1.570796327   0.000000000
     0.0000000     0.0000000     4.0000000        0.000000000   0.000000000   1.570796327

                                     Cell Contents
                         Total number of ions in cell =    1
                      Total number of species in cell =    1

            x  Element    Atom        Fractional coordinates of atoms  x
            x            Number           u          v          w      x
            x----------------------------------------------------------x
            x  Si           1         0.000000   0.000000   0.000000   x
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx

Final energy, E             =  -340.9490879813     eV
Final free energy (E-TS)    =  -340.9490902954     eV
NB est. 0K energy (E-0.5TS)      =  -340.9490891384     eV

(SEDC) Total Energy Correction : -0.567289E+00 eV

Dispersion corrected final energy*, Ecor          =  -341.5163768370     eV
Dispersion corrected final free energy* (Ecor-TS) =  -341.5163791511     eV
NB dispersion corrected est. 0K energy* (Ecor-0.5TS) =  -341.5163779940     eV

Finalisation time   =      0.20 s
"""
with open("si.castep", "w") as stream:
    stream.write(TEXT)
results = read("si.castep", format="castep-castep").calc.results
print({key: value for key, value in results.items() if "energy" in key})
assert results["energy"] == -340.9490891384 and results["free_energy"] == -340.9490902954, results
assert results["free_energy_with_dispersion_correlation"] == -341.5163791511, results
print("ase 3.29.0 still returns the energies without the dispersion correction.")
PY

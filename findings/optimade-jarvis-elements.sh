#!/usr/bin/env bash
# optimade 1.5.0 with jarvis-tools 2026.6.12: atoms get the elements of a list in which each kind stands once.
#
# Guess: a response of OPTIMADE becomes the same crystal through the adapter for JARVIS as through those for
# ASE and pymatgen. Seen: elements are taken from `species`, which has each kind once and in any order, and
# not from `species_at_sites`. Cubic SrTiO₃ has three elements for five atoms: titanium where the response
# says strontium, and oxygen where it says titanium. Nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "optimade==1.5.0" "jarvis-tools==2026.6.12" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from optimade.adapters import Structure

a = 3.9
attributes = {
    "elements": ["O", "Sr", "Ti"],
    "nelements": 3,
    "elements_ratios": [0.6, 0.2, 0.2],
    "chemical_formula_descriptive": "SrTiO3",
    "chemical_formula_reduced": "O3SrTi",
    "chemical_formula_anonymous": "A3BC",
    "dimension_types": [1, 1, 1],
    "nperiodic_dimensions": 3,
    "lattice_vectors": [[a, 0, 0], [0, a, 0], [0, 0, a]],
    "cartesian_site_positions": [
        [0, 0, 0], [a / 2, a / 2, a / 2], [a / 2, a / 2, 0], [a / 2, 0, a / 2], [0, a / 2, a / 2]
    ],
    "nsites": 5,
    "species_at_sites": ["Sr", "Ti", "O", "O", "O"],
    "species": [
        {"name": name, "chemical_symbols": [name], "concentration": [1.0]} for name in ("Ti", "O", "Sr")
    ],
    "structure_features": [],
    "last_modified": "2026-01-01T00:00:00Z",
}
response = Structure({"id": "mp-5229", "type": "structures", "attributes": attributes})
jarvis = response.as_jarvis
print(f"ASE: {response.as_ase.get_chemical_symbols()}")
print(f"JARVIS: {jarvis.elements} for {jarvis.num_atoms} atoms, density {jarvis.density:.2f} g/cm³")
assert response.as_ase.get_chemical_symbols() == ["Sr", "Ti", "O", "O", "O"]
assert list(jarvis.elements) == ["Ti", "O", "Sr"] and jarvis.num_atoms == 5, jarvis.elements
print("optimade 1.5.0 still gives atoms of JARVIS the elements of the list of species.")
PY

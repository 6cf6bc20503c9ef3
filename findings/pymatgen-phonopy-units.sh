#!/usr/bin/env bash
# pymatgen 2026.10.24: a crystal of phonopy has 6.7 times its volume where the calculator has bohr.
#
# Guess: `pymatgen.io.phonopy` reads the structure that phonopy has in its files, whichever program gave the forces.
# Seen: `physical_unit: length: "au"` stands in the same file and is not looked at. Silicon, set up for Quantum
# ESPRESSO, has lattice vectors of 7.3 Å where 3.9 Å are right, alike from phonopy.yaml and from band.yaml, and the
# distances along the path of the bands are 1.9 times too short. phonopy's own reader gives the unit beside the cell.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "pymatgen-core==2026.10.16" "phonopy==4.10.0"
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning - <<'PY'
import numpy as np
import yaml
from phonopy import Phonopy
from phonopy.interface.phonopy_yaml import PhonopyYaml
from phonopy.physical_units import get_calculator_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.io.phonopy import get_ph_bs_symm_line, get_structure_from_dict

volumes = {}
for calculator in ("vasp", "qe"):
    unit = get_calculator_physical_units(calculator).distance_to_A
    vectors = 5.47 / 2 * (1 - np.eye(3)) / unit
    silicon = PhonopyAtoms(symbols=["Si"] * 2, cell=vectors, scaled_positions=[[0] * 3, [0.25] * 3])
    run = Phonopy(silicon, np.eye(3), primitive_matrix="P", calculator=calculator, log_level=0)
    run.force_constants = np.array([[np.eye(3), -np.eye(3)], [-np.eye(3), np.eye(3)]])
    run.save("phonopy.yaml")
    run.run_band_structure([np.linspace([0, 0, 0], [0.5, 0, 0.5], 5)], labels=["G", "X"])
    run.write_yaml_band_structure(filename="band.yaml")
    data = yaml.safe_load(open("phonopy.yaml"))
    made = get_structure_from_dict(data["unit_cell"])
    bands = get_ph_bs_symm_line("band.yaml", has_nac=False)
    volumes[calculator] = (made.volume, bands.structure.volume, bands.distance[-1])
    read = PhonopyYaml().read("phonopy.yaml")
    right = read.unitcell.volume * read.physical_units.distance_to_A**3
    print(f"{calculator}: length in {data['physical_unit']['length']}, volume {right:.2f} Å³; pymatgen {made.volume:.2f} Å³ from phonopy.yaml, "
          f"{bands.structure.volume:.2f} Å³ from band.yaml, path of {bands.distance[-1]:.3f}")
    assert abs(right - 5.47**3 / 4) < 1e-3, right
assert all(abs(volume - 40.917) < 0.01 for volume in volumes["vasp"][:2]), volumes
ratios = [volumes["qe"][index] / volumes["vasp"][index] for index in range(3)]
print(f"ratios: {[round(float(ratio), 3) for ratio in ratios]}")
assert all(abs(ratio - 6.748) < 0.01 for ratio in ratios[:2]) and abs(ratios[2] - 0.5292) < 1e-3, ratios
print("pymatgen 2026.10.24 still takes bohr of phonopy's files for Å.")
PY

#!/usr/bin/env bash
# pymatgen-core 2026.10.16: Vaspout takes the positions of vaspout.h5 for Cartesian where the file says
# that they are fractions, and never has a stress.
#
# Guess: rock salt whose POSCAR is in direct coordinates comes back as rock salt, as initial_structure
# and final_structure, and a run that wrote its stress has it in ionic_steps, as Vasprun does for the
# same run. Seen: `direct_coordinates` is 1 for fractions, and is compared the wrong way round, so that
# (½, ½, ½) is read as 0.5 Å along each axis: the shortest distance is 0.87 Å instead of 2.82 Å in both
# structures, while ionic_steps has the right one; POSCAR files in Cartesian coordinates are damaged the
# other way. The stress is looked up as `stresses`, which VASP calls `stress`. No warning is given.
# py4vasp 0.11.3, of VASP's authors, reads the same file right. pymatgen's own test file,
# vaspout.line_mode_band_structure.h5.gz, comes out with gallium and antimony 0.43 Å apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen-core==2026.10.16" "py4vasp==0.11.3" h5py
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import h5py
import numpy as np
from py4vasp import Calculation
from pymatgen.io.vasp.outputs import Vaspout

cell = 5.64 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
fractions = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
stress = np.diag([16.0, 16.0, 16.0])  # kbar
with h5py.File("vaspout.h5", "w") as file:
    for part, number in (("major", 6), ("minor", 4), ("patch", 1)):
        file[f"version/{part}"] = number
    file["input/incar/ISIF"] = 2
    for key, value in {"mode": b"e", "coordinate_space": b"R", "number_kpoints": 1}.items():
        file[f"input/kpoints/{key}"] = value
    file["input/kpoints/coordinates_kpoints"] = [[0.0, 0.0, 0.0]]
    file["input/kpoints/weights_kpoints"] = [1.0]
    file.create_group("input/potcar")
    for group in ("input/poscar", "results/positions"):
        file[f"{group}/system"] = b"rock salt"
        file[f"{group}/scale"] = 1.0
        file[f"{group}/lattice_vectors"] = cell
        file[f"{group}/ion_types"] = np.array(["Na", "Cl"], dtype="S2")
        file[f"{group}/number_ion_types"] = [1, 1]
        file[f"{group}/direct_coordinates"] = 1
        file[f"{group}/selective_dynamics"] = 0
        file[f"{group}/position_ions"] = fractions
    steps = file.create_group("intermediate/ion_dynamics")
    steps["lattice_vectors"] = cell[None]
    steps["position_ions"] = fractions[None]
    steps["forces"] = np.zeros((1, 2, 3))
    steps["stress"] = stress[None]
    steps["energies"] = [[-6.7, -6.6, -6.65]]
    tags = ["free energy    TOTEN", "energy without entropy", "energy(sigma->0)"]
    steps["energies_tags"] = np.array(tags, dtype="S22")

run = Vaspout("vaspout.h5", parse_dos=False, parse_eigen=False)
theirs = Calculation.from_path(".")
seen = {
    "initial_structure": run.initial_structure.get_distance(0, 1),
    "final_structure": run.final_structure.get_distance(0, 1),
    "ionic_steps": run.ionic_steps[0]["structure"].get_distance(0, 1),
}
print("distance Na-Cl / Å:", {key: round(float(value), 3) for key, value in seen.items()})
print("py4vasp has the fractions:", theirs.structure.positions().tolist())
print("pymatgen has:", sorted(run.ionic_steps[0]))
print("py4vasp has a stress of", theirs.stress.to_dict()["stress"].diagonal(), "kbar")
np.testing.assert_allclose(theirs.structure.positions(), fractions)
np.testing.assert_allclose(theirs.stress.to_dict()["stress"], stress)
for name in ("initial_structure", "final_structure"):
    assert abs(seen[name] - 0.5 * 3**0.5) < 1e-6, seen
assert abs(seen["ionic_steps"] - 2.82) < 1e-6, seen
assert not {"stress", "stresses"} & run.ionic_steps[0].keys()
print("pymatgen-core 2026.10.16 still reads fractions as Cartesian coordinates, and no stress.")
PY

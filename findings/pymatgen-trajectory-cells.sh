#!/usr/bin/env bash
# pymatgen 2026.10.24: a trajectory has the cell of its first frame in all others, unless it is asked for their own.
#
# Guess: `Trajectory.from_file` and `from_structures` keep the cells that the frames have; the documentation of
# `constant_lattice` says "whether the lattice changes during the simulation", and that it is true by default. Seen:
# true means that it does not change. Of copper that is strained by up to 6 %, every frame has the volume of the
# first, with the positions as fractions of that and with the energies and stresses of the strained ones: the
# energy falls, then rises, at one volume. Nothing is compared, and nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "pymatgen-core==2026.10.16" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning - <<'PY'
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from pymatgen.core.trajectory import Trajectory
from pymatgen.io.ase import AseAtomsAdaptor

frames = []
for scale in (0.98, 1.0, 1.02, 1.04):
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell * scale, scale_atoms=True)
    atoms.calc = EMT()
    atoms.get_stress()
    frames.append(atoms)
write("strained.traj", frames)
read = Trajectory.from_file("strained.traj")
made = Trajectory.from_structures([AseAtomsAdaptor.get_structure(atoms) for atoms in frames])
asked = Trajectory.from_file("strained.traj", constant_lattice=False)
volumes = [[round(one[i].volume, 2) for i in range(4)] for one in (read, made, asked)]
print(f"written: {[round(float(atoms.get_volume()), 2) for atoms in frames]} Å³, "
      f"energies {[round(float(atoms.get_potential_energy()), 3) for atoms in frames]} eV")
print(f"from_file: {volumes[0]}, energies {[round(float(one['energy']), 3) for one in read.frame_properties]}; "
      f"from_structures: {volumes[1]}; constant_lattice=False: {volumes[2]}")
assert len(set(volumes[0])) == len(set(volumes[1])) == 1 and len(set(volumes[2])) == 4, volumes
assert abs(float(read.frame_properties[3]["energy"]) - frames[3].get_potential_energy()) < 1e-9
assert "Whether the lattice changes" in Trajectory.from_file.__doc__
print("pymatgen 2026.10.24 still gives all frames of a trajectory the first one's cell.")
PY

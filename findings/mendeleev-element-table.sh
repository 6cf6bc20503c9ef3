#!/usr/bin/env bash
# mendeleev 1.3.0: two columns of its table of the elements are not what descriptors of crystals take
# them for.
#
# Guess 1: what evaporates took more heat than what melts, for every element, since a melt still has to
# be torn apart. Seen: potassium alone has a heat of fusion (102.5 kJ/mol) above its heat of evaporation
# (2.33 kJ/mol, which is its heat of fusion).
# Guess 2: electronegativities of Allen are on Pauling's scale, as tables print them (silicon 1.92,
# fluorine 4.19). Seen: they are configuration energies in eV (11.33 and 24.8), six times as large, and
# stand beside Pauling's column without a unit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "mendeleev==1.3.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from mendeleev import element, get_all_elements

swapped = {
    e.symbol: (e.fusion_heat, e.evaporation_heat)
    for e in get_all_elements()
    if e.fusion_heat and e.evaporation_heat and e.fusion_heat > e.evaporation_heat
}
print("heat of fusion above heat of evaporation (kJ/mol):", swapped)
assert swapped == {"K": (102.5, 2.33)}, swapped

for symbol, pauling, allen in (("Si", 1.9, 11.33), ("F", 3.98, 24.8)):
    seen = element(symbol).en_pauling, element(symbol).en_allen
    print(f"{symbol}: Pauling {seen[0]}, Allen {seen[1]}")
    assert seen == (pauling, allen), seen
print("mendeleev 1.3.0 still has potassium's heats exchanged, and Allen's electronegativities in eV.")
PY

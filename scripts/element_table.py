"""Write the table of the elements: measured properties, from pinned public packages.

    python -m venv /tmp/table
    /tmp/table/bin/pip install mendeleev==1.3.0 pymatgen-core==2026.10.16
    /tmp/table/bin/python scripts/element_table.py

Writes ``matsciml_core/nn/element_table/elements.csv``. What has no value is left empty: missing
values are filled in where the table is read. ``columns.csv`` beside it, written by hand, says what
the columns are.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Callable, Mapping
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from mendeleev import element
from mendeleev.fetch import fetch_table

FOLDER = Path(__file__).parents[1] / "matsciml_core" / "nn" / "element_table"
PINNED = {"mendeleev": "1.3.0", "pymatgen-core": "2026.10.16"}
Values = dict[int, float]
"""Values by atomic number; what is not measured is absent."""
AVOGADRO = 6.02214076e23
HARTREE = 27.211386245988
SHELLS = "spdf"
CAPACITIES = dict(zip(SHELLS, (2, 6, 10, 14), strict=True))
SIX = ("VI", "V", "VII", "IV", "IVSQ", "VIII", "III", "II", "IX")
"""Coordinations of Shannon's table, six first and then what is nearest to it."""
ANIONS = {7: -3, 8: -2, 9: -1, 16: -2, 17: -1, 34: -2, 35: -1, 52: -2, 53: -1}
"""What Shannon tabulates as anions."""

DOUBTFUL = {
    # 17.36 cm³/mol is neither solid (10.4) nor liquid oxygen (14.0).
    "Molar volume": (8,),
    # 20 GPa contradicts Young's modulus of molybdenum, 329 GPa, which is at most three times it.
    "Rigidity modulus": (42,),
    # Slater has no noble gases; this is a calculated radius.
    "Atomic radius": (18,),
    # 1.80 and 1.76 Å, as if trivalent: neighbours in the metals are 3.97 and 3.88 Å apart.
    "Metallic radius": (63, 70),
}
"""Values of pymatgen that are left out, by property and atomic number."""


def main() -> None:
    """Write the table."""
    for package, pinned in PINNED.items():
        if version(package) != pinned:
            raise SystemExit(
                f"{package} is {version(package)}, not {pinned}: install what is pinned."
            )
    columns = {**_configuration(), **_of_mendeleev(), **_of_pymatgen()}
    with open(FOLDER / "columns.csv", newline="", encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    if set(names) != set(columns):
        raise SystemExit(f"columns.csv differs in {sorted(set(names) ^ set(columns))}.")
    with open(FOLDER / "elements.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("atomic_number", "symbol", *names))
        for number, symbol in _symbols().items():
            row = (columns[name].get(number) for name in names)
            writer.writerow((number, symbol, *("" if x is None else f"{x:.6g}" for x in row)))


def _elements() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = fetch_table("elements").to_dict("records")
    return rows


def _symbols() -> dict[int, str]:
    return {row["atomic_number"]: row["symbol"] for row in _elements()}


def _configuration() -> dict[str, Values]:
    """Return what follows from place and ground state of the atom."""
    columns: dict[str, Values] = {
        "period": {},
        "group": {},
        **{f"{shell}_block": {} for shell in SHELLS},
        **{f"{shell}_electrons": {} for shell in SHELLS},
        "valence_electrons": {},
        **{f"{shell}_vacancies": {} for shell in SHELLS},
        "vacancies": {},
        "unpaired_electrons": {},
    }
    for row in _elements():
        number, group = row["atomic_number"], row["group_id"]
        columns["period"][number] = row["period"]
        # Elements of the f-block, which have no group, resemble scandium and yttrium most.
        columns["group"][number] = 3 if group != group else group
        # "[Ar] 3d10 4s2 4p": outside the core of a noble gas, which comes first where there is one.
        outer = dict.fromkeys(SHELLS, 0)
        for shell, electrons in re.findall(r"\d([spdf])(\d*)", row["electronic_configuration"]):
            outer[shell] += int(electrons or 1)
        vacancies = {s: CAPACITIES[s] - n if n else 0 for s, n in outer.items()}
        for shell in SHELLS:
            columns[f"{shell}_block"][number] = float(row["block"] == shell)
            columns[f"{shell}_electrons"][number] = outer[shell]
            columns[f"{shell}_vacancies"][number] = vacancies[shell]
        columns["valence_electrons"][number] = sum(outer.values())
        columns["vacancies"][number] = sum(vacancies.values())
        # By Hund's first rule a subshell holds as many parallel spins as it can.
        columns["unpaired_electrons"][number] = sum(
            min(n, CAPACITIES[s] - n) for s, n in outer.items()
        )
    return columns


def _of_mendeleev() -> dict[str, Values]:
    """Return measured values that mendeleev collects."""
    rows = _elements()

    def column(key: str, factor: float = 1.0) -> Values:
        return {r["atomic_number"]: r[key] * factor for r in rows if r[key] == r[key]}

    atomisation = column("heat_of_formation")
    # The standard state of a noble gas is the free atom.
    atomisation |= dict.fromkeys((2, 10, 18, 36, 54, 86), 0.0)
    return {
        "mendeleev_number": column("mendeleev_number"),
        "pettifor_number": column("pettifor_number"),
        "glawe_number": column("glawe_number"),
        "electronegativity_pauling": column("en_pauling"),
        # Published in Pauling's units, kept in eV by mendeleev.
        "electronegativity_allen": column("en_allen"),
        "electronegativity_allred_rochow": _allred_rochow(),
        "electronegativity_miedema": column("en_miedema"),
        "electron_density_miedema": column("miedema_electron_density"),
        "covalent_radius_cordero": column("covalent_radius_cordero", 0.01),
        "covalent_radius_pyykko": column("covalent_radius_pyykko", 0.01),
        "van_der_waals_radius": column("vdw_radius_alvarez", 0.01),
        "isodensity_radius": column("atomic_radius_rahm", 0.01),
        "ionic_radius": _ionic_radii(),
        **_ionisation(),
        "polarisability": column("dipole_polarizability"),
        "dispersion_coefficient": column("c6_gb"),
        "atomic_mass": column("atomic_weight"),
        **_transitions(),
        "atomisation_enthalpy": atomisation,
    }


def _allred_rochow() -> Values:
    """Return the effective charge by Slater's rules over the square of the covalent radius."""
    scale = "allred-rochow"
    # Palladium alone has no electron in the outermost shell of its period: by Slater's rules its
    # value is 4.8, twice that of its neighbours.
    numbers = [number for number in _symbols() if number != 46]
    values = {number: element(number).electronegativity(scale) for number in numbers}
    return {number: 1e4 * value for number, value in values.items() if value is not None}


def _ionic_radii() -> Values:
    """Return Shannon's radii in Å, of coordination six or what is nearest to it.

    Of an element that he tabulates as an anion, that of the anion; of others the mean over the
    common charges, of high spin where it matters.
    """
    radii: dict[tuple[int, int], dict[str, float]] = {}
    for row in fetch_table("ionicradii").to_dict("records"):
        if row["spin"] != "LS" and row["ionic_radius"] == row["ionic_radius"]:
            charges = radii.setdefault((row["atomic_number"], row["charge"]), {})
            charges.setdefault(row["coordination"], row["ionic_radius"] / 100)
    common = _pymatgen("Common oxidation states", lambda states: states)
    values: Values = {}
    for number in _symbols():
        charges = [ANIONS[number]] if number in ANIONS else common.get(number, [])
        tables = [radii[number, charge] for charge in charges if (number, charge) in radii]
        chosen = [next(t[c] for c in SIX if c in t) for t in tables if set(t) & set(SIX)]
        # A bare proton has a negative "radius" in Shannon's table, which is no size of an atom.
        if chosen and number != 1:
            values[number] = sum(chosen) / len(chosen)
    return values


def _ionisation() -> dict[str, Values]:
    names = ("first", "second", "third")
    columns: dict[str, Values] = {f"{name}_ionisation_energy": {} for name in names}
    for row in fetch_table("ionizationenergies").to_dict("records"):
        if row["ion_charge"] < 3 and row["ionization_energy"] == row["ionization_energy"]:
            name = f"{names[row['ion_charge']]}_ionisation_energy"
            columns[name][row["atomic_number"]] = row["ionization_energy"]
    return columns


def _transitions() -> dict[str, Values]:
    """Return melting and boiling points in K of the form that melts at ordinary pressure."""
    columns: dict[str, Values] = {"melting_point": {}, "boiling_point": {}}
    for row in fetch_table("phasetransitions").to_dict("records"):
        # Of two forms the other line is a change between solids, or red phosphorus, which sublimes.
        if row["is_transition"] == 1 or row["allotrope"] == "red":
            continue
        for name, column in columns.items():
            if row[name] == row[name]:
                column[row["atomic_number"]] = row[name]
    # Helium and carbon do not melt at ordinary pressure; pymatgen has the values under pressure.
    for number, value in _pymatgen("Melting point", float).items():
        if number in (2, 6):
            columns["melting_point"].setdefault(number, value)
    return columns


def _pymatgen(key: str, convert: Callable[[Any], Any]) -> dict[int, Any]:
    """Return a property of pymatgen's table by atomic number, without deuterium and tritium."""
    path = distribution("pymatgen-core").locate_file("pymatgen/core/periodic_table.json.gz")
    with gzip.open(str(path), "rt", encoding="utf-8") as file:
        table: Mapping[str, Any] = json.load(file)
    numbers = {symbol: number for number, symbol in _symbols().items()}
    values = {number: table[symbol].get(key) for symbol, number in numbers.items()}
    doubtful = DOUBTFUL.get(key, ())
    return {
        number: convert(value)
        for number, value in values.items()
        if value is not None and number not in doubtful
    }


def _of_pymatgen() -> dict[str, Values]:
    """Return measured values that pymatgen collects."""
    states = _pymatgen("Common oxidation states", lambda states: states)
    states |= {number: [0] for number in (2, 10, 18, 86)}  # the noble gases without compounds
    volume = _pymatgen("Molar volume", lambda value: float(value) * 1e24 / AVOGADRO)
    return {
        "lowest_oxidation_state": {number: min(all_) for number, all_ in states.items()},
        "highest_oxidation_state": {number: max(all_) for number, all_ in states.items()},
        "atomic_radius": _pymatgen("Atomic radius", float),
        "metallic_radius": _pymatgen("Metallic radius", float),
        # Negative estimates say that the anion is not bound; by how much is not measured.
        "electron_affinity": _pymatgen("Electron affinity", lambda value: max(float(value), 0.0)),
        "highest_orbital_energy": _pymatgen(
            "Atomic orbitals", lambda orbitals: max(orbitals.values()) * HARTREE
        ),
        "atomic_volume": volume,
        "bulk_modulus": _pymatgen("Bulk modulus", float),
        "shear_modulus": _pymatgen("Rigidity modulus", float),
    }


if __name__ == "__main__":
    main()

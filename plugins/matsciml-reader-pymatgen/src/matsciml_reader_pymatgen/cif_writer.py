"""Datasets as CIF: a data block per crystal, and labels in a table beside the file.

Written here, because pymatgen 2026.10 keeps eight digits, calls blocks after their formulas, and
takes milliseconds for each. A block has all sites of the cell, in the crystal's order, and no
symmetry; a cell is lengths and angles, so that what has directions loses them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from pymatgen.core.lattice import Lattice

from matsciml_core.data.readers import Written, declarations
from matsciml_core.data.readers.cif import ID_TAG
from matsciml_core.errors import DataError
from matsciml_core.files import open_whole_text
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.registry.targets import TargetInfo

_BLANKS = re.compile(r"\s+")


def write_crystals(
    crystals: Iterable[Crystal], targets: Mapping[str, TargetInfo], path: Path
) -> Written:
    """Write crystals as data blocks, and their labels of one number to a table beside them.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file; the table gets its name with ``.csv`` behind it.

    Raises:
        DataError: A crystal has no cell.
    """
    kept = {
        name: info
        for name, info in targets.items()
        if info.kind in ("scalar", "binary", "multiclass", "energy") and not info.per_atom
    }
    table = path.with_name(f"{path.name}.csv")
    lost: Counter[str] = Counter()
    with open_whole_text(path) as stream, open_whole_text(table, newline="") as rows:
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerow(["id", *kept])
        for crystal in crystals:
            if not crystal.cell.any():
                raise DataError(
                    f"'{crystal.id}' has no cell, without which there is no CIF; export the "
                    "dataset as extxyz."
                )
            lost["crystals that are not periodic in all directions"] += not crystal.pbc.all()
            lost["crystals with site properties"] += bool(crystal.site_properties)
            _write_block(stream, crystal)
            writer.writerow([crystal.id, *(crystal.labels.get(label, "") for label in kept)])
    remarks = [f"CIF does not hold: {count:,} {what}." for what, count in lost.items() if count]
    left = [name for name in targets if name not in kept]
    if left:
        remarks.append(f"Neither CIF nor the table holds the labels {', '.join(left)}.")
    return Written(
        labels=declarations(kept),
        table=table.name,
        remarks=tuple(remarks),
        site_properties=frozenset(),
        same_orientation=False,
    )


def _write_block(stream: TextIO, crystal: Crystal) -> None:
    """Write the data block of a crystal."""
    lattice = Lattice(crystal.cell)
    quote = '"' if "'" in crystal.id else "'"
    lines = [f"data_{_BLANKS.sub('_', crystal.id)}", f"{ID_TAG} {quote}{crystal.id}{quote}"]
    lengths = zip("abc", lattice.abc, strict=True)
    lines += [f"_cell_length_{axis} {value:.12g}" for axis, value in lengths]
    angles = zip(("alpha", "beta", "gamma"), lattice.angles, strict=True)
    lines += [f"_cell_angle_{angle} {value:.12g}" for angle, value in angles]
    lines += ["_symmetry_space_group_name_H-M 'P 1'", "_symmetry_Int_Tables_number 1", "loop_"]
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    lines += [f"_atom_site_{column}" for column in columns]
    # Twelve digits: fractions of a long cell vector are multiplied by its length.
    numbers, sites = crystal.atomic_numbers.tolist(), crystal.fractional.tolist()
    for index, (number, site) in enumerate(zip(numbers, sites, strict=True), 1):
        x, y, z = (f"{value:z.12f}" for value in site)
        lines.append(f"{symbol(number)}{index} {symbol(number)} {x} {y} {z} 1")
    stream.write("\n".join(lines) + "\n\n")

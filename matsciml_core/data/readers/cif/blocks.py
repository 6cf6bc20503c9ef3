"""CIF: what the sites of a data block say, in the order of the file.

pymatgen cuts the text into tags and knows the operations of the space groups. The sites are read
here, because pymatgen 2026.10 loses some of what they say: it sorts them by electronegativity, so
that values per atom that stand beside a file fall on other atoms; it skips sites whose type symbol
it does not know (``OH``); an occupancy of ``?`` or ``.``, which the core dictionary defines as 1,
ends in a site less; of labels without type symbols it takes HO1 for holmium; hydrogens that are
in the formula sum, but not among the sites, are missed in a warning; and a space group that is
named in a spelling that it does not know becomes P 1 in another one.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.cif.formula import (
    COUNT,
    atoms_by_formula,
    check_formula,
    check_units,
)
from matsciml_core.data.readers.cif.moments import read_moments
from matsciml_core.data.readers.cif.space_group import Operations, check_metric, named_operations
from matsciml_core.data.readers.frames import Frame
from matsciml_core.data.readers.isotopes import isotope_masses
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import atomic_number

_BLOCK = re.compile(r"^data_", re.MULTILINE | re.IGNORECASE)
_TEXT_FIELD = re.compile(r"^;.*?^;", re.MULTILINE | re.DOTALL)
ID_TAG = "_matsciml_id"
"""Data name of a crystal's id, of which a block's code, without blanks, is but a reminder."""
_ID = re.compile(rf"^{ID_TAG}\s+(?:'(.*)'|\"(.*)\")\s*$", re.MULTILINE)
_SITES = "_atom_site_"
_CELL = (
    *(f"_cell_length_{axis}" for axis in "abc"),
    *(f"_cell_angle_{angle}" for angle in ("alpha", "beta", "gamma")),
)
_UNKNOWN = ("?", ".", "")
_GROUP_NAMES = (
    (
        "_space_group_name_h-m_alt",
        "_symmetry_space_group_name_h-m",
        "_space_group_name_h-m_full",
        "_space_group_name_h-m_ref",
    ),
    ("_space_group_name_hall", "_symmetry_space_group_name_hall"),
    ("_space_group_it_number", "_symmetry_int_tables_number"),
)
"""Data names of a space group's symbol, of its symbol by Hall, and of its number."""
_TYPE = re.compile(r"([A-Za-z][a-z]?)(?:\d*[+-]\d*|\d*)")
_LETTERS = re.compile(r"[A-Za-z]+")
_THIRDS = np.array([1 / 3, 2 / 3])
_TOLERANCE = 1e-4
"""Of fractional coordinates: files have four digits of 1/3, and of what lies on a mirror."""


def cif_blocks(text: str) -> list[tuple[str, str]]:
    """Return name and text of each data block that has sites; of a file with none, the whole.

    Args:
        text: The file.
    """
    # What stands in a text field may look like the beginning of a block.
    masked = _TEXT_FIELD.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    starts = [match.start() for match in _BLOCK.finditer(masked)]
    ends = [*starts, len(text)][1:]
    blocks = [
        (text[start:end].split(None, 1)[0][len("data_") :], text[start:end])
        for start, end in zip(starts, ends, strict=True)
        if _SITES in masked[start:end].lower()
    ]
    return blocks or [("", text)]


def frame_from_cif(text: str, name: str, values: dict[str, Any]) -> Frame | Rejection:
    """Return the record of a data block.

    Args:
        text: The block.
        name: What the record is called.
        values: What was written beside it.

    Returns:
        A frame; or a rejection where something of the structure is missing or contradicts itself.
    """
    if not text.strip():
        return Rejection(name, "There is no structure.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they are about is checked below
            return _read_block(text, name, values)
    except DataError as error:
        return Rejection.of(name, error)
    except Exception as error:  # pymatgen raises anything
        reason = f"pymatgen cannot read the cif: {type(error).__name__}"
        return Rejection(name, f"{reason}.", f"{reason}: {error}.")


_Atoms = tuple[list[int], NDArray[np.float64]]
"""The site that each atom belongs to, and fractional coordinates, ``(atoms, 3)``."""


@dataclass(frozen=True, slots=True)
class _Sites:
    """The sites of the asymmetric unit."""

    labels: Sequence[str]
    symbols: Sequence[str]
    """Element or isotope of each."""
    fractional: NDArray[np.float64]
    """``(sites, 3)``, dimensionless."""
    occupancies: NDArray[np.float64]
    """``(sites,)``, dimensionless."""


def _read_block(text: str, name: str, values: dict[str, Any]) -> Frame:
    from pymatgen.core.lattice import Lattice  # noqa: PLC0415 - heavy
    from pymatgen.io.cif import CifBlock, str2float  # noqa: PLC0415

    start = _BLOCK.search(text)
    block = CifBlock.from_str(text[0 if start is None else start.start() :])
    # CIF 2 and magnetic CIF write _atom_site.label for what was _atom_site_label.
    data: Mapping[str, Any] = {
        key.lower().replace(".", "_"): value for key, value in block.data.items()
    }
    missing = next((key for key in _CELL if key not in data), None)
    if missing is not None:
        raise DataError(f"The CIF has no cell: '{missing}' is missing.")
    if str(data.get("_cell_modulation_dimension", "0")) not in ("0", *_UNKNOWN):
        raise DataError("The CIF has a modulated structure, which no cell holds; give a supercell.")
    cell = Lattice.from_parameters(*[str2float(data[key]) for key in _CELL]).matrix
    sites = _read_sites(data)
    listed, reversals = _listed_operations(data, text, block)
    readings = [listed] if listed is not None else _named_operations(data, cell)
    check_metric(readings[0][0], cell)
    expanded = [_expand(sites.fractional, *operations) for operations in readings]
    if len(expanded) > 1:
        expanded = [_only_one(expanded, sites, data)]
    index, fractional = expanded[0]
    _check_overlaps(sites, index, fractional)
    _check_occupancies(sites)
    symbols = [sites.symbols[number] for number in index]
    check_formula(str(data.get("_chemical_formula_sum", "")), symbols)
    if listed is None or len(listed[0]) == 1:
        check_units(data, len(symbols))
    moments = read_moments(
        data, sites.labels, sites.fractional, index, fractional, readings[0], reversals, cell
    )
    return Frame(
        name=name,
        atomic_numbers=[atomic_number(entry) or 0 for entry in symbols],
        positions=fractional @ cell,
        cell=cell,
        values=isotope_masses(symbols) | moments | values,
    )


def _read_sites(data: Mapping[str, Any]) -> _Sites:
    """Return the sites of a block.

    Raises:
        DataError: One has no coordinates, no element, or hydrogens without coordinates.
    """
    from pymatgen.io.cif import str2float  # noqa: PLC0415

    def column(key: str, default: str) -> list[str]:
        entries = data.get(f"{_SITES}{key}")
        return [str(entry) for entry in entries] if isinstance(entries, list) else [default] * count

    axes = [data.get(f"{_SITES}fract_{axis}") for axis in "xyz"]
    if not all(isinstance(axis, list) for axis in axes):
        raise DataError("The CIF has no sites with fractional coordinates.")
    count = len(axes[0] or [])
    labels = column("label", "")
    types = column("type_symbol", "")
    coordinates = list(zip(*[[str(entry) for entry in axis or []] for axis in axes], strict=True))
    blank = next((i for i, row in enumerate(coordinates) if any(c in _UNKNOWN for c in row)), None)
    if blank is not None:
        raise DataError(f"The site '{labels[blank]}' of the CIF has no coordinates.")
    if "dum" in column("calc_flag", ""):
        dummy = labels[column("calc_flag", "").index("dum")]
        raise DataError(f"The site '{dummy}' of the CIF is a dummy, whose position means nothing.")
    groups = {entry for entry in column("disorder_group", ".") if entry not in _UNKNOWN}
    if len(groups) > 1:
        raise DataError(
            "The CIF has disordered groups of atoms, of which one at a time is there: "
            f"{', '.join(sorted(groups))}; keep one of them."
        )
    attached = [entry for entry in column("attached_hydrogens", "0") if entry not in _UNKNOWN]
    total = sum(int(float(entry)) for entry in attached)
    if total:
        raise DataError(
            f"The CIF has hydrogens without coordinates: {total} are attached to its sites; add "
            "their positions."
        )
    formula = {match[0] for match in COUNT.findall(str(data.get("_chemical_formula_sum", "")))}
    symbols = [_element_of(label, kind, formula) for label, kind in zip(labels, types, strict=True)]
    occupancies = [
        1.0 if entry in _UNKNOWN else str2float(entry) for entry in column("occupancy", ".")
    ]
    fractional = np.array([[str2float(entry) for entry in row] for row in coordinates])
    return _Sites(labels, symbols, fractional, np.array(occupancies))


def _element_of(label: str, kind: str, formula: set[str]) -> str:
    """Return the element of a site, by its type symbol or else its label.

    Raises:
        DataError: It cannot be told.
    """
    if kind not in _UNKNOWN:
        match = _TYPE.fullmatch(kind)
        if match is None or atomic_number(match[1].capitalize()) is None:
            raise DataError(f"The site '{label}' of the CIF is of the type '{kind}', no element.")
        return match[1].capitalize()
    letters = _LETTERS.match(label)
    word = letters[0] if letters else ""
    candidates = {word[:size].capitalize() for size in (1, 2) if len(word) >= size}
    # "Ca1" is written as an element is; CA1 may be one, or the first of several carbons.
    if len(word) == 2 and word.istitle() and atomic_number(word) is not None:
        return word
    candidates = {entry for entry in candidates if atomic_number(entry) is not None}
    if formula:
        candidates &= formula
    if len(candidates) != 1:
        choice = " or ".join(sorted(candidates)) or "no element"
        raise DataError(
            f"The site '{label}' of the CIF has no type symbol, and its label may mean {choice}; "
            "add _atom_site_type_symbol."
        )
    return candidates.pop()


def _check_occupancies(sites: _Sites) -> None:
    """Reject sites that are partly occupied, or more than once.

    Raises:
        DataError: A site is.
    """
    for label, occupancy in zip(sites.labels, sites.occupancies.tolist(), strict=True):
        if abs(occupancy - 1) > 1e-6:
            raise DataError(
                "A site holds several species, or is only partly occupied: "
                f"'{label}' has the occupancy {occupancy:g}."
            )


def _listed_operations(
    data: Mapping[str, Any], text: str, block: Any
) -> tuple[Operations | None, list[int] | None]:
    """Return the operations that a block lists, and which reverse time (1 or −1 for each).

    Returns:
        None for the operations: it lists none; for the reversals: none of a magnetic space group.
    """
    from pymatgen.core.operations import SymmOp  # noqa: PLC0415
    from pymatgen.io.cif import CifParser  # noqa: PLC0415

    keys = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
    listed = next((data[key] for key in keys if key in data), None)
    listed = [listed] if isinstance(listed, str) else listed
    if listed and listed != ["x, y, z"] and listed != ["x,y,z"]:
        operations: Any = [SymmOp.from_xyz_str(entry) for entry in listed]
    elif listed:
        return (np.eye(3)[None], np.zeros((1, 3))), [1]
    elif any("_magn_" in key or key.startswith("_space_group_magn") for key in data):
        operations = CifParser.from_str(text).get_magsymops(block)
    else:
        return None, None
    found = (
        np.array([operation.rotation_matrix for operation in operations]),
        np.array([operation.translation_vector for operation in operations]),
    )
    reversals = [one.time_reversal for one in operations if hasattr(one, "time_reversal")]
    return found, reversals or None


def _named_operations(data: Mapping[str, Any], cell: NDArray[np.float64]) -> list[Operations]:
    """Return the operations that the name of a space group may mean; of none, the identity.

    Raises:
        DataError: There is no space group of that name, or the cell has not its symmetry.
    """
    symbol, hall, number = (
        next((str(data[key]) for key in keys if str(data.get(key, "?")) not in _UNKNOWN), "")
        for keys in _GROUP_NAMES
    )
    if not symbol and not hall and not number:
        return [(np.eye(3)[None], np.zeros((1, 3)))]
    return named_operations(symbol, hall, int(number) if number.isdigit() else None, cell)


def _expand(
    fractional: NDArray[np.float64], rotations: NDArray[np.float64], shifts: NDArray[np.float64]
) -> _Atoms:
    """Return all atoms of the cell: the site that each belongs to, and fractional coordinates.

    Args:
        fractional: Of the sites, ``(sites, 3)``, dimensionless.
        rotations: ``(operations, 3, 3)``, dimensionless.
        shifts: ``(operations, 3)``, dimensionless.
    """
    if len(rotations) == 1:
        return list(range(len(fractional))), fractional
    # 0.3333 stands for 1/3, without which the copies of a special position do not coincide.
    for third in _THIRDS:
        fractional = np.where(np.abs(fractional - third) < _TOLERANCE, third, fractional)
    index: list[int] = []
    atoms: list[NDArray[np.float64]] = []
    for number, site in enumerate(fractional):
        copies = (rotations @ site + shifts) % 1.0  # (operations, 3)
        steps = copies[:, None] - copies[None]
        same = (np.abs(steps - np.round(steps)) < 10 * _TOLERANCE).all(axis=2)
        first = same.argmax(axis=1) == np.arange(len(copies))
        index += [number] * int(first.sum())
        atoms.append(copies[first])
    return index, np.concatenate(atoms)


def _only_one(expanded: Sequence[_Atoms], sites: _Sites, data: Mapping[str, Any]) -> _Atoms:
    """Return the atoms that agree with the numbers of atoms and copies that a block states.

    Args:
        expanded: The atoms by each reading of the space group.
        sites: The sites of the asymmetric unit.
        data: The block.

    Raises:
        DataError: Several do, or none.
    """
    units = atoms_by_formula(data)
    keys = ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity")
    stated = next((data[key] for key in keys if isinstance(data.get(key), list)), None)
    fitting = []
    for index, fractional in expanded:
        copies = [str(index.count(number)) for number in range(len(sites.labels))]
        if (stated is None or stated == copies) and (units is None or len(index) in units):
            fitting.append((index, fractional))
    if len(fitting) != 1:
        raise DataError(
            "The space group that the CIF names has several settings, origins for example, and its "
            "sites fit several or none; list the operations (_space_group_symop_operation_xyz)."
        )
    return fitting[0]


def _check_overlaps(sites: _Sites, index: Sequence[int], fractional: NDArray[np.float64]) -> None:
    """Reject several species at one position.

    Raises:
        DataError: Two sites share it.
    """
    # By rounding, which is linear; what it misses at a border is too close to pass the geometry.
    keys = np.round(fractional / (10 * _TOLERANCE)).astype(np.int64) % round(0.1 / _TOLERANCE)
    seen: dict[bytes, int] = {}
    for number, key in zip(index, keys, strict=True):
        other = seen.setdefault(key.tobytes(), number)
        if other != number:
            total = sites.occupancies[[other, number]].sum()
            raise DataError(
                "A site holds several species, or is only partly occupied: "
                f"'{sites.labels[other]}' and '{sites.labels[number]}' lie at one position, with "
                f"occupancies that add up to {total:g}."
            )


def joined_cif(text: str, name: str, values: dict[str, Any]) -> Frame | Rejection:
    """Return the record of a CIF that stands in a table, and may hold one structure only.

    Args:
        text: The file.
        name: What the record is called.
        values: What was written beside it.
    """
    blocks = cif_blocks(text)
    if len(blocks) > 1:
        names = ", ".join(block for block, _ in blocks[:3])
        reason = "The CIF of a single record holds several structures."
        return Rejection(name, reason, f"{reason[:-1]}: {names}.")
    return frame_from_cif(blocks[0][1], name, values)


def named_blocks(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the names of a file's structures with their texts: the file's, and the blocks' too.

    A block that was exported says its id itself, see :data:`ID_TAG`.

    Args:
        text: The file.
        name: What the file is called.
    """
    blocks = cif_blocks(text)
    for block, part in blocks:
        exported = _ID.search(part)
        if exported is not None:
            yield exported[1] or exported[2], part
        else:
            yield (name if len(blocks) == 1 else f"{name}-{block}"), part

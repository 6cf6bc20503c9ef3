"""LMDB files of the Open MatSciML Toolkit: a pickle under each decimal key.

Its sets agree on little. Materials Project's has an object of pymatgen, Alexandria's the dictionary
of one; LiPS and OC20 have positions, OC20 inside a graph of PyTorch Geometric, whose store holds
the graph again. What is to be learnt lies in ``targets``, at times one level deeper by kind of
task, or beside the structure.

CDVAE's records (development set of the toolkit, 50 crystals) have both a structure and a graph, and
the positions of the graph, Å, stand in the structure as fractions. Nor do they fit the lattice,
which was built anew from lengths and angles and points elsewhere. Which crystal was meant can't be
told, so all are refused.

ColabFit's records (development set of the toolkit 1.1, 262 crystals of copper) are tensors of
PyTorch under ``pos``, ``cell`` and ``atomic_numbers``. Their ``potential-energy`` is eV per atom,
with 6 atoms as with 108, beside forces in eV/Å, and ``stress`` is in kbar, positive under
compression; the file says neither. Declare them as ``energy_per_atom=potential-energy:eV/atom`` and
``stress=kbar:vasp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record, name_of
from matsciml_core.data.readers.structures import frame_from_structure
from matsciml_core.errors import DataError
from matsciml_util_toolkit_lmdb.pickle_machine import InertObject
from matsciml_util_toolkit_lmdb.records import raw_records
from matsciml_util_toolkit_lmdb.whitelist_pickle import load_plain

INERT = ("pymatgen", "emmet", "torch_geometric")
"""Packages whose objects are in the files; none of their code is run."""
_NESTED = ("targets", "regression", "classification", "lattice_features")
"""Dictionaries whose entries count as entries of the record."""
_LAYOUT = frozenset({"structure", "graph", "pos", "atomic_numbers", "cell", "pbc", "natoms"})
"""What a structure is made of, and is no label."""
_SWAPPED = (
    "Its fractional coordinates are Cartesian positions in Å, of a cell that was turned since; "
    "take the set from the CSV files that CDVAE publishes."
)


class ToolkitReader(Reader):
    """Reads the records of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the records, in the order of their keys.

        Args:
            file: The file.

        Raises:
            DataError: It is no LMDB, damaged, or a record is no pickle of plain data.
        """
        path = file.plain_path()
        count = 0
        for key, data in raw_records(path):
            # What other tools keep under decimal keys is text or compressed, never this byte.
            if not data.startswith((b"\x80", b"(", b"c", b"}", b"]")):
                raise DataError(
                    f"Record {key} of '{path}' is no pickle, so that no file of the Open MatSciML "
                    "Toolkit has it; a database of ASE is read by --format aselmdb."
                )
            where = f"Record {key} of '{path}'"
            yield record_of(
                load_plain(data, inert=INERT, where=where), f"{file.stem}-{int(key):06d}"
            )
            count += 1
        if not count:
            raise DataError(f"'{path}' has no record under a decimal key.")


def record_of(content: Any, otherwise: str) -> Record:
    """Return the record that a pickle holds.

    Args:
        content: Plain data and inert objects.
        otherwise: Its name where it has none of its own.
    """
    record = _mapping_of(content)
    values = _values_of(record)
    name = name_of(values, otherwise)
    structure = record.get("structure")
    try:
        if isinstance(structure, InertObject):
            data = structure_dictionary(structure)
            if _has_positions_as_fractions(data, record):
                return Rejection(name, _SWAPPED)
            return frame_from_structure(data, name, values)
        if isinstance(structure, Mapping):
            return frame_from_structure(structure, name, values)
        if "pos" in record and "atomic_numbers" in record:
            return _frame_of_positions(record, name, values)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return Rejection(name, "The structure is incomplete, or not as the toolkit writes it.")
    if "cart_coords" in record:
        return Rejection(
            name,
            "It has 'cart_coords', which the toolkit's files of OQMD and NOMAD fill with "
            "fractions; use 'matsciml data convert FILE --from toolkit --dataset oqmd' (or nomad).",
        )
    return Rejection(name, "It has neither a structure nor positions with atomic numbers.")


def _has_positions_as_fractions(data: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Return whether a structure's fractions are what the graph beside it has as positions, Å."""
    positions = _mapping_of(record.get("graph")).get("pos")
    fractional = np.array([site["abc"] for site in data["sites"]], dtype=np.float64)
    return (
        positions is not None
        and np.shape(positions) == fractional.shape
        and bool(fractional.any())
        and np.allclose(fractional, positions, rtol=0.0, atol=1e-4)
    )


def structure_dictionary(structure: InertObject) -> dict[str, Any]:
    """Return pymatgen's ``Structure.as_dict()`` of an object that was pickled.

    Args:
        structure: The object, inert.

    Raises:
        AttributeError: It is made of something else than pymatgen's sites.
        KeyError: A part of it is missing.
    """
    lattice = structure.state["_lattice"].state
    sites = []
    for site in structure.state["_sites"]:
        amounts = site.state["_species"].state["_data"]
        species = [{"element": _symbol(kind), "occu": amount} for kind, amount in amounts.items()]
        sites.append(
            {
                "species": species,
                "abc": site.state["_frac_coords"],
                "properties": site.state.get("properties") or {},
            }
        )
    matrix = {"matrix": lattice["_matrix"], "pbc": lattice.get("_pbc", (True, True, True))}
    return {"lattice": matrix, "sites": sites}


def _symbol(kind: InertObject) -> str:
    """Return the symbol of a pickled element, or of a species, which has an element inside."""
    element = kind if kind.arguments else kind.state["_el"]
    return str(element.arguments[0])


def _mapping_of(content: Any) -> Mapping[str, Any]:
    """Return the entries of a record, also of a graph of PyTorch Geometric; else none."""
    if isinstance(content, Mapping):
        return content
    if not isinstance(content, InertObject) or not isinstance(content.state, Mapping):
        return {}
    # Since 2.0 a graph keeps its entries in a store, before it was its own dictionary.
    store = content.state.get("_store")
    held = store.state.get("_mapping") if isinstance(store, InertObject) else content.state
    return held if isinstance(held, Mapping) else {}


def _values_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands beside the structure: numbers, texts and arrays of numbers, by name."""
    values: dict[str, Any] = {}
    for key, value in record.items():
        if key in _NESTED and isinstance(value, Mapping):
            values |= _values_of(value)
        elif key not in _LAYOUT and isinstance(value, str | int | float | np.ndarray | np.generic):
            values[key] = value
    return values


def _frame_of_positions(record: Mapping[str, Any], name: str, values: dict[str, Any]) -> Frame:
    cell: NDArray[np.float64] = np.zeros((3, 3))
    if record.get("cell") is not None:
        cell = np.asarray(record["cell"], dtype=np.float64).reshape(3, 3)  # OC20's is (1, 3, 3)
    given = record.get("pbc")
    return Frame(
        name=name,
        # As floating-point numbers in OC20's files.
        atomic_numbers=np.asarray(record["atomic_numbers"], dtype=np.int64).reshape(-1),
        positions=np.asarray(record["pos"], dtype=np.float64).reshape(-1, 3),
        cell=cell,
        pbc=cell.any(axis=1) if given is None else np.asarray(given, dtype=bool).reshape(3),
        values=values,
    )

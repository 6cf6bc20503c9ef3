"""Registers the readers ``cif``, ``poscar`` and ``pymatgen-json``."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, hookimpl


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer what pymatgen reads."""
    yield ReaderSpec(
        name="cif",
        summary="CIF, a structure per data block.",
        class_path="matsciml_reader_pymatgen.text_files:CIFReader",
        suffixes=(".cif",),
        folder_files=("*.cif",),
        writer="matsciml_reader_pymatgen.cif_writer:write_crystals",
        samples="matsciml_reader_pymatgen.samples:cif_samples",
    )
    yield ReaderSpec(
        name="poscar",
        summary="POSCAR and CONTCAR of VASP.",
        class_path="matsciml_reader_pymatgen.text_files:POSCARReader",
        suffixes=(".vasp", ".poscar"),
        file_names=("POSCAR*", "CONTCAR*"),
        folder_files=("POSCAR*", "CONTCAR*", "*.vasp", "*.poscar", "*/POSCAR", "*/CONTCAR"),
        samples="matsciml_reader_pymatgen.samples:poscar_samples",
    )
    yield ReaderSpec(
        name="pymatgen-json",
        summary="Structures and trajectories as pymatgen writes them in JSON.",
        class_path="matsciml_reader_pymatgen.json_structures:StructureReader",
        suffixes=(".json",),
        detect="matsciml_reader_pymatgen.detection:is_structure_json",
        streams=False,
        samples="matsciml_reader_pymatgen.samples:json_samples",
    )

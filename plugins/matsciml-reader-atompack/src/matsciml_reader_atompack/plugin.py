"""Registers the reader ``atp``."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, TargetInfo, hookimpl


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer ``atp``."""
    yield ReaderSpec(
        name="atp",
        summary="Atompack: OMat24, OMol25, OC22, MPtrj, MatPES and LeMat-Bulk of LeMaterial.",
        class_path="matsciml_reader_atompack.reader:AtompackReader",
        suffixes=(".atp",),
        folder_files=("*.atp",),
        cartesian=True,
        quantities=(
            TargetInfo(name="energy", kind="energy", unit="eV"),
            TargetInfo(name="forces", kind="forces", unit="eV/A"),
            TargetInfo(name="stress", kind="stress", unit="eV/A^3"),
        ),
        writer="matsciml_reader_atompack.writer:write_crystals",
        samples="matsciml_reader_atompack.samples:samples",
    )

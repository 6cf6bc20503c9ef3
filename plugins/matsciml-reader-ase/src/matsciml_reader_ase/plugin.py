"""Registers the readers ``traj``, ``ase-db`` and ``aselmdb``."""

from collections.abc import Iterable

from matsciml_core import ReaderSpec, TargetInfo, hookimpl

QUANTITIES = (
    TargetInfo(name="energy", kind="energy", unit="eV"),
    TargetInfo(name="forces", kind="forces", unit="eV/A"),
    TargetInfo(name="stress", kind="stress", unit="eV/A^3"),
)


@hookimpl
def matsciml_readers() -> Iterable[ReaderSpec]:
    """Offer the three formats that are ASE's own."""
    formats = (
        ("traj", "Trajectories of ASE.", "trajectory:TrajectoryReader"),
        ("ase-db", "Databases of ASE: SQLite, or JSON.", "database:DatabaseReader"),
        ("aselmdb", "Databases of ASE in LMDB.", "lmdb_database:LMDBReader"),
    )
    suffixes = {"traj": ".traj", "ase-db": ".db", "aselmdb": ".aselmdb"}
    for name, summary, path in formats:
        yield ReaderSpec(
            name=name,
            summary=summary,
            class_path=f"matsciml_reader_ase.{path}",
            suffixes=(suffixes[name],),
            folder_files=(f"*{suffixes[name]}",),
            cartesian=True,
            quantities=QUANTITIES,
            samples=f"matsciml_reader_ase.samples:{name.replace('-', '_')}_samples",
        )

"""Labels, benchmark rows, origin and citation. Imports no torch."""

from __future__ import annotations

from matsciml_core import BenchmarkTask, Reference, TargetInfo

SOURCE = "Materials Cloud Archive 2022.45 (https://doi.org/10.24435/materialscloud:s0-5n)"
LICENCE = "CC-BY-4.0"
FRACTIONS = (0.7, 0.2, 0.1)
"""Share of training, validation and test, as published."""

_PBE = "by density functional theory (PBE, VASP) along a molecular dynamics trajectory"

TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="energy",
        kind="energy",
        unit="eV",
        description=f"Total energy of the cell of 83 atoms, {_PBE}.",
    ),
    TargetInfo(
        name="forces",
        kind="forces",
        unit="eV/Å",
        per_atom=True,
        description=f"Forces on all atoms, {_PBE}.",
    ),
)
"""The first one is what ``run`` trains when no target is named."""

_SIZES = (17_500, 5_000, 2_500)
TASKS: tuple[BenchmarkTask, ...] = (
    BenchmarkTask(
        title="total energy of LiPS",
        target="energy",
        metric="MSE",
        unit="eV²",
        published_sizes=_SIZES,
    ),
    BenchmarkTask(
        title="forces of LiPS",
        target="forces",
        metric="MAE",
        unit="eV/Å",
        published_sizes=_SIZES,
    ),
)

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="batzner2022nequip",
        authors="Batzner, Simon and Musaelian, Albert and Sun, Lixin and Geiger, Mario and "
        "Mailoa, Jonathan P. and Kornbluth, Mordechai and Molinari, Nicola and Smidt, Tess E. and "
        "Kozinsky, Boris",
        title="E(3)-equivariant graph neural networks for data-efficient and accurate interatomic "
        "potentials",
        venue="Nature Communications 13, 2453",
        year=2022,
        doi="10.1038/s41467-022-29939-5",
    ),
)

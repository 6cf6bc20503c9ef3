"""Labels, benchmark rows, origin and citation. Imports no torch."""

from __future__ import annotations

from matsciml_core import BenchmarkTask, Reference, TargetInfo

DOI = "10.24435/materialscloud:s0-5n"
SOURCE = f"Materials Cloud Archive 2022.45 (https://doi.org/{DOI})"
LICENCE = "CC-BY-4.0"
FRACTIONS = (0.7, 0.2, 0.1)
"""Share of training, validation and test, as published."""

EXTENT = "25,000 frames, about 0.3 GB to fetch, minutes"
SPLITS = {
    "blocked": "70/20/10 in the order of time: frames that train are all earlier than those that "
    "test.",
    "random": "70/20/10 at random by the seed, with the published sizes; neighbouring frames are "
    "nearly equal, so that it tests memory.",
    "mdsim": "19,000/1,000/5,000 frames as drawn by the MDsim benchmark, exactly; of a shorter "
    "trajectory, the same shares.",
}
"""The default one first."""
KNOWN_PROBLEMS = (
    "The paper that took LiPS into a benchmark gives meV/atom and meV/Å; the file has eV per cell "
    "and eV/Å, which is checked for every frame.",
    "A force error of 0.44 eV/Å, as published for every model, is what predicting zero gives.",
    "Frames are 2 fs apart and nearly equal: a random split leaks, the default does not.",
    "The published random split was made without a seed and cannot be repeated; its sizes can.",
    "Positions are not wrapped into the cell, and need not be.",
)

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
        row=4,
    ),
    BenchmarkTask(
        title="forces of LiPS",
        target="forces",
        metric="MAE",
        unit="eV/Å",
        published_sizes=_SIZES,
        row=9,
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

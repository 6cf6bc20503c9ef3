"""The labels of a release that was fetched, and what to cite for it. Imports no torch."""

from __future__ import annotations

from matsciml_core import Reference, TargetInfo
from matsciml_data_mp.references import REFERENCES

_HULL = "of the release, with its mixture of functionals; another release has another hull"

RELEASE_TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="formation_energy_per_atom",
        kind="scalar",
        unit="eV/atom",
        description="Formation energy from the elements at 0 K, with the corrections of the "
        "release (MP2020 from 2021 on).",
    ),
    TargetInfo(
        name="energy_above_hull",
        kind="scalar",
        unit="eV/atom",
        description=f"Energy above the convex hull {_HULL}.",
    ),
    TargetInfo(
        name="is_stable",
        kind="binary",
        unit="class",
        description=f"1 where the crystal lies on the convex hull {_HULL}.",
    ),
    TargetInfo(
        name="band_gap",
        kind="scalar",
        unit="eV",
        description="Band gap, PBE and PBE+U for most; zero for metals, missing where unknown.",
    ),
    TargetInfo(
        name="fermi_energy",
        kind="scalar",
        unit="eV",
        description="Fermi energy relative to the average potential in the cell, which is another "
        "zero for every crystal: it can be learnt only loosely.",
    ),
    TargetInfo(
        name="space_group",
        kind="multiclass",
        unit="class",
        num_classes=230,
        description="International number minus one, as the release states it (spglib with "
        "symprec 0.1 Å).",
    ),
    TargetInfo(
        name="is_metal",
        kind="binary",
        unit="class",
        description="1 where no gap was found.",
    ),
    TargetInfo(
        name="is_magnetic",
        kind="binary",
        unit="class",
        description="1 where the calculated order is magnetic.",
    ),
    TargetInfo(
        name="total_magnetization",
        kind="scalar",
        unit="μB",
        description="Magnetic moment of the cell, which grows with the cell.",
    ),
)
"""The first one is what ``run`` trains when no target is named.

Total energies are not among them: a release mixes those of PBE, PBE+U and r2SCAN, whose zeros are
tens of eV per atom apart.
"""

RELEASE_REFERENCES: tuple[Reference, ...] = (
    REFERENCES[0],
    Reference(
        key="wang2021framework",
        authors="Wang, Amanda and Kingsbury, Ryan and McDermott, Matthew and Horton, Matthew and "
        "Jain, Anubhav and Ong, Shyue Ping and Dwaraknath, Shyam and Persson, Kristin A.",
        title="A framework for quantifying uncertainty in DFT energy corrections",
        venue="Scientific Reports 11, 15496",
        year=2021,
        doi="10.1038/s41598-021-94550-5",
    ),
)

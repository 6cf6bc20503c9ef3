"""Labels, origin and citations. Imports no torch."""

from __future__ import annotations

from matsciml_core import BenchmarkTask, Reference, TargetInfo

SOURCE = "Open Quantum Materials Database (https://oqmd.org)"
LICENCE = "CC-BY-4.0"
EXTENT = "about 1.2 million crystals, fetched in pages within 7 to 20 hours"
SPLITS = {
    "composition": "80/10/10 of the compositions, so that no composition is in two subsets.",
    "random": "80/10/10 of the crystals, by the seed; leaks, since many are there twice.",
}
KNOWN_PROBLEMS = (
    "The REST interface prints fractional coordinates with three digits, an error of up to 0.05 Å; "
    "positions are taken from the OPTIMADE interface instead, Cartesian with six decimals.",
    "The Open MatSciML Toolkit took the fractional coordinates for Cartesian ones; 'convert --from "
    "toolkit' mends that, but not the rounding.",
    "The interface says that more data follow on the last page, too; the harvest stops where "
    "there is no next page, or an empty one.",
    "Some calculations failed: entries with a formation energy beyond 5 eV/atom are left out, and "
    "counted in the manifest.",
    "Many entries are the same crystal under two numbers, and many are in the Materials Project "
    "as well; see 'matsciml data leaks'.",
    "Formation energies refer to elements that OQMD fitted, with its own PBE+U; they differ from "
    "the Materials Project's by several 0.01 eV/atom and must not be mixed with them.",
    "Only the newest release can be fetched, so the 1,022,595 crystals of the published benchmark "
    "cannot be had again; their split was random, with no seed or ids published.",
)

TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="formation_energy_per_atom",
        kind="scalar",
        unit="eV/atom",
        description="Formation energy from the elements at 0 K, PBE and PBE+U with the references "
        "that OQMD fitted (its delta_e); not to be mixed with that of another database.",
    ),
    TargetInfo(
        name="energy_above_hull",
        kind="scalar",
        unit="eV/atom",
        description="Distance to the convex hull of the database (its stability); negative where a "
        "phase lies below the hull of all the others.",
    ),
    TargetInfo(
        name="is_stable",
        kind="binary",
        unit="class",
        description="1 where that distance is not above zero; a property of the database at the "
        "time, not of the crystal alone.",
    ),
    TargetInfo(
        name="band_gap",
        kind="scalar",
        unit="eV",
        description="Band gap by PBE or PBE+U; zero for metals, and missing where unknown.",
    ),
)
"""The first one is what ``run`` trains when no target is named."""

TASKS: tuple[BenchmarkTask, ...] = (
    BenchmarkTask(
        title="formation energy (OQMD)",
        target="formation_energy_per_atom",
        metric="MSE",
        unit="(eV/atom)²",
        published_sizes=(818_076, 204_519, None),
        row=5,
    ),
)

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="saal2013materials",
        authors="Saal, James E. and Kirklin, Scott and Aykol, Muratahan and Meredig, Bryce and "
        "Wolverton, C.",
        title="Materials design and discovery with high-throughput density functional theory: The "
        "Open Quantum Materials Database (OQMD)",
        venue="JOM 65, 1501-1509",
        year=2013,
        doi="10.1007/s11837-013-0755-4",
    ),
    Reference(
        key="kirklin2015open",
        authors="Kirklin, Scott and Saal, James E. and Meredig, Bryce and Thompson, Alex and "
        "Doak, Jeff W. and Aykol, Muratahan and Rühl, Stephan and Wolverton, Chris",
        title="The Open Quantum Materials Database (OQMD): assessing the accuracy of DFT formation "
        "energies",
        venue="npj Computational Materials 1, 15010",
        year=2015,
        doi="10.1038/npjcompumats.2015.10",
    ),
)

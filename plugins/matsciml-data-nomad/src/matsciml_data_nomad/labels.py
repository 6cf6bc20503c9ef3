"""Labels, origin and citations. Imports no torch."""

from __future__ import annotations

from matsciml_core import BenchmarkTask, Reference, TargetInfo

SOURCE = "NOMAD Archive (https://nomad-lab.eu)"
LICENCE = "CC-BY-4.0"

TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="formation_energy_per_atom",
        kind="scalar",
        unit="eV/atom",
        description="Total energy minus reference energies of the elements, which are fitted by "
        "least squares, for each method (code, functional, basis, core, relativity) by itself, to "
        "the training set of the split 'composition'; missing where a method has too few entries.",
    ),
    TargetInfo(
        name="band_gap",
        kind="scalar",
        unit="eV",
        description="Band gap of the computed band structure, by whatever functional the entry "
        "used; zero for metals, and missing where unknown.",
    ),
    TargetInfo(
        name="fermi_energy",
        kind="scalar",
        unit="eV",
        description="Fermi energy, against the zero of potential of the code, which differs from "
        "code to code.",
    ),
    TargetInfo(
        name="space_group",
        kind="multiclass",
        unit="class",
        num_classes=230,
        description="International number minus one, as NOMAD found it.",
    ),
    TargetInfo(
        name="relative_energy",
        kind="scalar",
        unit="eV",
        description="What another toolkit trained on, for comparison only: total energy of the "
        "cell minus the lowest one of any cell of that composition, whatever code computed it and "
        "how large it is; up to millions of eV, and no property of a crystal.",
    ),
)
"""The first one is what ``run`` trains when no target is named."""

TASKS: tuple[BenchmarkTask, ...] = (
    BenchmarkTask(
        title="energy (NOMAD)",
        target="formation_energy_per_atom",
        metric="MSE",
        unit="(eV/atom)²",
        published_sizes=(111_056, 27_764, None),
        row=6,
    ),
)

EXTENT = (
    "about 139,000 bulk crystals that were uploaded before July 2023; 280 requests, at most one "
    "in five seconds, 30 to 60 minutes"
)
SPLITS = {
    "composition": "80/10/10 by a hash of the composition, for every release the same; reference "
    "energies are fitted to its training set.",
    "random": "80/10/10 of the crystals, by the seed; leaks, since many codes computed the same "
    "crystal.",
}
"""The default one first."""
KNOWN_PROBLEMS = (
    "NOMAD has no formation energies, and total energies of different codes and functionals have "
    "nothing in common; energies are referred to the elements for each method by itself, and the "
    "fit is kept beside the store as 'references.json'.",
    "The label of the published benchmark is 'relative_energy', which subtracts energies of "
    "different codes; it is offered under that name for comparison and should not be trained.",
    "All-electron energies reach millions of eV, where single precision has steps of 0.1 eV; they "
    "are kept and subtracted in double precision.",
    "Entries of methods with fewer than 20 of them, or of an unknown functional, have no formation "
    "energy; both are counted in 'references.json'.",
    "Energies more than 10 eV/atom off the reference energies are failed calculations; they are "
    "left out, and counted in the manifest.",
    "The archive holds uploads of OQMD and Alexandria; see 'matsciml data leaks'.",
    "The published split (111,056/27,764, no test set) is random, with no seed or ids published.",
)

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="draxl2019nomad",
        authors="Draxl, Claudia and Scheffler, Matthias",
        title="The NOMAD laboratory: from data sharing to artificial intelligence",
        venue="Journal of Physics: Materials 2, 036001",
        year=2019,
        doi="10.1088/2515-7639/ab13bb",
    ),
    Reference(
        key="scheidgen2023nomad",
        authors="Scheidgen, Markus and Himanen, Lauri and Ladines, Alvin Noe and Sikter, David and "
        "Nakhaee, Mohammad and Fekete, Ádám and Chang, Theodore and Golparvar, Amir and Márquez, "
        "José A. and Brockhauser, Sandor and others",
        title="NOMAD: A distributed web-based platform for managing materials science research "
        "data",
        venue="Journal of Open Source Software 8, 5388",
        year=2023,
        doi="10.21105/joss.05388",
    ),
)

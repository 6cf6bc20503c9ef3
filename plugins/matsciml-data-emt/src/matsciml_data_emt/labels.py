"""Labels, origin and citations. Imports no torch."""

from __future__ import annotations

from matsciml_core import Reference, TargetInfo

SOURCE = "generated on this machine with ASE's EMT potential, which is a toy"
LICENCE = "CC0-1.0"
EXTENT = "1,000 frames in 20 trajectories by default, generated in about a minute"
SPLITS = {
    "trajectory": "80/10/10 of the trajectories, each of which stays in one subset.",
    "random": "80/10/10 of the frames; tests memory, since frames of a trajectory are alike.",
}
KNOWN_PROBLEMS = (
    "EMT is a toy: nothing that is learnt here says anything about the real alloys.",
    "Frames of a trajectory are alike, so its 1,000 frames count for far fewer.",
)

_TOY = "by effective-medium theory as in ASE: a fast toy, not a description of the real alloy."

TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="energy",
        kind="energy",
        unit="eV",
        description=f"Total energy of the cell relative to the pure metals at rest, {_TOY}",
    ),
    TargetInfo(
        name="forces",
        kind="forces",
        unit="eV/Å",
        per_atom=True,
        description=f"Forces {_TOY}",
    ),
    TargetInfo(
        name="stress",
        kind="stress",
        unit="eV/Å³",
        description=f"Stress, positive under tension, {_TOY}",
    ),
)

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="jacobsen1996emt",
        authors="Jacobsen, Karsten W. and Stoltze, Per and Nørskov, Jens K.",
        title="A semi-empirical effective medium theory for metals and alloys",
        venue="Surface Science 366, 394-402",
        year=1996,
        doi="10.1016/0039-6028(96)00816-3",
    ),
    Reference(
        key="larsen2017ase",
        authors="Larsen, Ask Hjorth and Mortensen, Jens Jørgen and Blomqvist, Jakob and "
        "Castelli, Ivano E. and Christensen, Rune and others",
        title="The atomic simulation environment: a Python library for working with atoms",
        venue="Journal of Physics: Condensed Matter 29, 273002",
        year=2017,
        doi="10.1088/1361-648X/aa680e",
    ),
)

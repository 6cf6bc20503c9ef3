"""Labels, origin and citation. Imports no torch."""

from __future__ import annotations

from matsciml_core import BenchmarkTask, Reference, TargetInfo

SITE = "http://www.carolinamatdb.org"
SOURCE = f"Carolina Materials Database ({SITE})"
LICENCE = "CC-BY-4.0"
COUNT = 214_436
"""Crystals on the site, numbered from 0."""

TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="formation_energy_per_atom",
        kind="scalar",
        unit="eV/atom",
        description="Formation energy from the elements by density functional theory (PBE), to "
        "0.001 eV/atom, per atom whatever a mirror's metadata say.",
    ),
    TargetInfo(
        name="space_group",
        kind="multiclass",
        unit="class",
        num_classes=230,
        description="International number minus one, as the CIF file states it; all are cubic.",
    ),
)
"""The first one is what ``run`` trains when no target is named."""

TASKS: tuple[BenchmarkTask, ...] = (
    BenchmarkTask(
        title="formation energy (Carolina)",
        target="formation_energy_per_atom",
        metric="MSE",
        unit="(eV/atom)²",
        published_sizes=(171_548, 42_887, None),
        row=7,
    ),
)

EXTENT = "214,436 crystals; one file from Zenodo, or two requests a second for 60 hours"
SPLITS = {
    "composition": "80/10/10 of the compositions, so that no composition is in two subsets.",
    "random": "80/10/10 of the crystals, by the seed.",
}
"""The default one first."""
KNOWN_PROBLEMS = (
    "The Open MatSciML Toolkit took the fractional coordinates of the CIF files for Cartesian ones "
    "and dropped the cell; 'convert --from toolkit', and the fetch from Zenodo, which has the "
    "toolkit's file, make both anew from the lattice parameters.",
    "The energy of file n.cif stands on the page of entry n + 1, and nowhere but in its HTML.",
    "Some entries state no energy; their label is missing, not zero.",
    "All crystals are cubic prototypes that a generative model proposed, and were relaxed "
    "afterwards; models trained on them know no other symmetry.",
    "The site runs on one small machine, which is asked one question at a time, at most two a "
    "second.",
    "The licence is the one that others state; the site itself states none.",
    "The published split (171,548/42,887, no test set) is random, with no seed or ids published.",
)

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="zhao2021high",
        authors="Zhao, Yong and Al-Fahdi, Mohammed and Hu, Ming and Siriwardane, Edirisuriya M. D. "
        "and Song, Yuqi and Nasiri, Alireza and Hu, Jianjun",
        title="High-Throughput Discovery of Novel Cubic Crystal Materials Using Deep Generative "
        "Neural Networks",
        venue="Advanced Science 8, 2100566",
        year=2021,
        doi="10.1002/advs.202100566",
    ),
)

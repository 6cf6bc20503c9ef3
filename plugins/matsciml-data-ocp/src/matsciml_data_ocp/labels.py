"""Labels, benchmark rows, splits, known problems, origin and citation. Imports no torch."""

from __future__ import annotations

from typing import Any

from matsciml_core import BenchmarkTask, Reference, TargetInfo

SOURCE = "Open Catalyst 2020 (https://opencatalystproject.org)"
LICENCE = "CC-BY-4.0"
SITE_PROPERTIES = ("fixed", "tags")
"""Held in place; 0 below the surface, 1 at the surface, 2 of the adsorbate."""

_RPBE = "by density functional theory (RPBE, VASP)"

S2EF_TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="energy",
        kind="energy",
        unit="eV",
        description="Adsorption energy of the frame: total energy minus that of the bare slab and "
        f"the gases that the adsorbate consists of, {_RPBE}; never the total energy.",
    ),
    TargetInfo(
        name="forces",
        kind="forces",
        unit="eV/Å",
        per_atom=True,
        description=f"Forces on all atoms {_RPBE}; those on fixed atoms are kept and count for "
        "nothing.",
    ),
    TargetInfo(
        name="reference_energy",
        kind="energy",
        unit="eV",
        description="What was subtracted: slab and gases; with the energy it is the total energy.",
    ),
)
"""The first one is what ``run`` trains when no target is named."""

IS2RE_TARGETS: tuple[TargetInfo, ...] = (
    TargetInfo(
        name="energy_relaxed",
        kind="scalar",
        unit="eV",
        description=f"Adsorption energy after the relaxation, {_RPBE}; the positions are those "
        "before it.",
    ),
    TargetInfo(
        name="energy_initial",
        kind="scalar",
        unit="eV",
        description=f"Adsorption energy before the relaxation, {_RPBE}.",
    ),
)

_S2EF_SIZES = (2_000_000, 1_000_000, None)
S2EF_TASKS: tuple[BenchmarkTask, ...] = (
    BenchmarkTask(
        title="adsorption energy of frames (OC20 S2EF)",
        target="energy",
        metric="MSE",
        unit="eV²",
        published_sizes=_S2EF_SIZES,
        row=1,
    ),
    BenchmarkTask(
        title="forces on free atoms of adsorbates and surfaces (OC20 S2EF)",
        target="forces",
        metric="MAE",
        unit="eV/Å",
        published_sizes=_S2EF_SIZES,
        row=8,
    ),
)
IS2RE_TASKS: tuple[BenchmarkTask, ...] = (
    BenchmarkTask(
        title="adsorption energy after relaxation (OC20 IS2RE)",
        target="energy_relaxed",
        metric="MSE",
        unit="eV²",
        published_sizes=(500_000, 25_000, None),
        row=2,
    ),
)

SPLITS = {
    "val_id": "Published training set; val_id, halved by system, for validation and test, since "
    "the published test set has no labels.",
    "val_ood_ads": "Published training set; val_id; tested on adsorbates not trained on.",
    "val_ood_cat": "Published training set; val_id; tested on catalysts not trained on.",
    "val_ood_both": "Published training set; val_id; tested on adsorbates and catalysts that are "
    "both not trained on.",
    "system": "80/10/10 of all that was fetched, whole systems, by the seed.",
}
"""On offer where the subsets they need were fetched, the first one by default."""

_FIXED = (
    "The lower layers of every slab were held in place (site property fixed); forces on them are "
    "kept "
)
S2EF_PROBLEMS = (
    "The files hold total energies; the reference energies stand in a second file and are always "
    "subtracted, so that |energy| is below 10 eV instead of hundreds.",
    f"{_FIXED}but neither trained on nor scored.",
    "The paper's 2,000,000 / 1,000,000 are rounded: val_id has 999,866 frames since February 2021, "
    "and older files are refused by their checksums.",
    "Frames of one relaxation are near copies of each other, so that a random split of frames "
    "tests memory; none is on offer.",
    "The published test set has no labels and is not fetched.",
)
IS2RE_PROBLEMS = (
    "The files are pickles of objects of PyTorch Geometric 1; they are read as plain arrays, and a "
    "record that asks for anything else is refused.",
    "The paper's 500,000 / 25,000 are rounded: training has 460,328 systems, val_id has 24,943.",
    "Relaxed positions and the edges that the files hold are not kept.",
    "The published test set has no labels and is not fetched.",
)

_READERS = "matsciml_data_ocp.readers"
S2EF_READERS = {
    "extxyz": f"{_READERS}:read_shards",
    "ocp": f"{_READERS}:read_s2ef_lmdb",
    "toolkit": f"{_READERS}:read_s2ef_lmdb",
}
S2EF_EXTENT = (
    "200,000, 2,000,000, 20,000,000 or 133,934,018 frames to train on and four times a million to "
    "validate; 0.3, 3.4, 34 or 225 GB and 1.7 GB each"
)
IS2RE_READERS = {
    "ocp": f"{_READERS}:read_is2re_lmdb",
    "toolkit": f"{_READERS}:read_is2re_lmdb",
}
IS2RE_EXTENT = (
    "460,328 systems to train on (or 10,000 or 100,000 of them) and four times 25,000 to validate, "
    "in one archive of 8.1 GB that unpacks to about 80 GB for the time of the conversion"
)

REFERENCES: tuple[Reference, ...] = (
    Reference(
        key="chanussot2021open",
        authors="Chanussot, Lowik and Das, Abhishek and Goyal, Siddharth and Lavril, Thibaut and "
        "Shuaibi, Muhammed and Riviere, Morgane and Tran, Kevin and Heras-Domingo, Javier and "
        "Ho, Caleb and Hu, Weihua and Palizhati, Aini and Sriram, Anuroop and Wood, Brandon and "
        "Yoon, Junwoong and Parikh, Devi and Zitnick, C. Lawrence and Ulissi, Zachary",
        title="Open Catalyst 2020 (OC20) Dataset and Community Challenges",
        venue="ACS Catalysis 11, 6059-6072",
        year=2021,
        doi="10.1021/acscatal.0c04525",
    ),
)

COMMON: dict[str, Any] = {
    "config": "matsciml_data_ocp.config:OCPConfig",
    "fetch_config": "matsciml_data_ocp.config:OCPFetchConfig",
    "references": REFERENCES,
    "licence": LICENCE,
    "source": SOURCE,
    "splits": SPLITS,
}
"""What the records of both datasets have."""

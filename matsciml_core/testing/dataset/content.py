"""Checks of a dataset: it holds crystals, says where they come from, and splits them cleanly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from matsciml_core.data.ingestion.geometry import check_geometry, looks_fractional
from matsciml_core.errors import ConfigError, GeometryError
from matsciml_core.interfaces.split import SUBSETS, Split
from matsciml_core.testing.checks import Broken, Measured, NotApplicable, check
from matsciml_core.testing.dataset.subject import DatasetSubject
from matsciml_core.testing.tolerances import IMPLAUSIBLE_CRYSTALS

_ENOUGH_FOR_SUBSETS = 20
"""From this size on no subset of a split may be empty."""


@check("dataset")
def declared_size(subject: DatasetSubject) -> str:
    """The dataset has as many crystals as its plugin says, and at least one.

    Measured: ``len(dataset)`` against the size in the spec, which holds for the default settings.

    Why: half a download is a dataset too, and trains without an error.
    """
    size, declared = len(subject.dataset), subject.declared.size
    if not size:
        raise Broken("The dataset is empty.", measured="0 crystals")
    if declared is not None and subject.default_config and size != declared:
        raise Broken(f"The spec says {declared} crystals.", measured=f"{size} crystals")
    return f"{size} crystals"


@check("dataset", tolerance=IMPLAUSIBLE_CRYSTALS)
def geometry(subject: DatasetSubject) -> Measured:
    """Crystals have sensible volumes and distances; positions are Cartesian, in Å.

    Measured: the share of sampled crystals with two atoms closer than 0.5 Å (0.95 Å where all
    positions look fractional and no atom is hydrogen), periodic images included, or with fewer
    than 2 or more than 400 Å³ per atom.

    Why: fractional coordinates taken as Cartesian ones put all atoms into a cube of 1 Å, and
    coordinates in bohr or nanometres shrink or blow up a crystal; training runs all the same.
    """
    faults = {}
    for crystal in subject.sample:
        try:
            check_geometry(crystal)
        except GeometryError as error:
            faults[crystal.id] = str(error)
    share = len(faults) / len(subject.sample)
    return Measured(share, next(iter(faults.values()), "").rstrip("."))


@check("dataset")
def cartesian(subject: DatasetSubject) -> str:
    """Positions are not fractional coordinates.

    Measured: the share of crystals of several atoms whose positions all lie between 0 and 1
    although their cell is larger; half of them is too many.

    Why: a few wide cells survive the test of distances, yet hold the same mistake.
    """
    several = [crystal for crystal in subject.sample if crystal.num_atoms > 1]
    if not several:
        raise NotApplicable("Every sampled crystal has one atom.")
    share = sum(map(looks_fractional, several)) / len(several)
    measured = f"{100 * share:.0f} % in the unit cube"
    if share > 0.5:
        raise Broken(
            "Positions look like fractional coordinates; use Crystal.from_fractional.",
            measured=measured,
        )
    return measured


@check("dataset")
def batch_layout(subject: DatasetSubject) -> str:
    """Batches are float64, finite, and say correctly which atom belongs to which crystal.

    Measured: types, shapes and values of a batch of the sample: positions and cell in float64
    and finite, atomic numbers from 1 to 118, crystal indices ascending, counts that add up.

    Why: the data path turns batches into neighbour lists without looking at them again.
    """
    batch = subject.dataset.__getitems__(subject.sample_indices)
    counts = torch.bincount(batch.crystal_index, minlength=batch.num_crystals)
    listed = subject.dataset.atoms_per_crystal[subject.sample_indices]
    problems = {
        "positions or cell are not float64": {batch.positions.dtype, batch.cell.dtype}
        != {torch.float64},
        "positions or cell are not finite": not bool(
            batch.positions.isfinite().all() and batch.cell.isfinite().all()
        ),
        "atomic numbers are not int64 from 1 to 118": batch.atomic_numbers.dtype != torch.int64
        or not 1 <= int(batch.atomic_numbers.min()) <= int(batch.atomic_numbers.max()) <= 118,
        "crystal_index does not ascend": bool((batch.crystal_index.diff() < 0).any()),
        "atoms_per_crystal does not fit crystal_index": not torch.equal(
            counts, batch.atoms_per_crystal
        ),
        "dataset.atoms_per_crystal does not fit the crystals": counts.tolist() != listed.tolist(),
        "there are not as many ids as crystals": len(batch.ids) != batch.num_crystals,
    }
    _raise_first(problems)
    return f"{batch.num_atoms} atoms"


@check("dataset")
def provenance(subject: DatasetSubject) -> str:
    """The dataset names its source and its licence.

    Measured: ``provenance.source`` and ``provenance.licence`` are not empty.

    Why: both are written into every run; data without a licence may not be passed on.
    """
    found = subject.dataset.provenance
    _raise_first(
        {"provenance.source is empty": not found.source.strip()}
        | {"provenance.licence is empty": not found.licence.strip()}
    )
    return found.licence


@check("dataset")
def splits(subject: DatasetSubject) -> str:
    """Every split puts each crystal into exactly one of train, validation and test.

    Measured: for each split on offer, ids that are in two subsets, in none, or unknown; the hash
    of the split made twice, from two instances of the dataset; and that an unknown name is
    refused.

    Why: one crystal in both training and test makes a result too good, and a split that changes
    between runs makes every comparison wrong.
    """
    names = subject.dataset.split_names
    if not names:
        raise Broken("The dataset offers no split.")
    for name in names:
        split = subject.dataset.split(name, seed=0)
        _check_subsets(name, split, subject.ids)
        if subject.build().split(name, seed=0).hash != split.hash:
            raise Broken(f"The split '{name}' is another one when it is made again.")
    try:
        subject.dataset.split("no such split")
    except ConfigError:
        return ", ".join(names)
    raise Broken("A split that does not exist is not refused with a ConfigError.")


def _check_subsets(name: str, split: Split, ids: Sequence[str]) -> None:
    missing_subsets = set(SUBSETS) - split.subsets.keys()
    if missing_subsets:
        raise Broken(f"The split '{name}' has no subset {sorted(missing_subsets)}.")
    places = Counter(one for subset in split.subsets.values() for one in subset)
    twice = [one for one, number in places.items() if number > 1]
    if twice:
        raise Broken(
            f"The split '{name}' holds '{twice[0]}' in two places.", measured=f"{len(twice)} shared"
        )
    lost, unknown = set(ids) - places.keys(), places.keys() - set(ids)
    if lost or unknown:
        raise Broken(
            f"The split '{name}' leaves out {len(lost)} crystals and names {len(unknown)} that "
            "do not exist.",
            measured=f"{len(lost)} lost",
        )
    empty = [subset for subset in SUBSETS if not split.subsets[subset]]
    if empty and len(ids) >= _ENOUGH_FOR_SUBSETS:
        raise Broken(
            f"The subset '{empty[0]}' of the split '{name}' is empty.", measured="0 crystals"
        )


def _raise_first(problems: dict[str, bool]) -> None:
    for problem, holds in problems.items():
        if holds:
            raise Broken(f"{problem[0].upper()}{problem[1:]}.")

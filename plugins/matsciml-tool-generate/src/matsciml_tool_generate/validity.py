"""Validity of structures one by one, with formula, symmetry, density and fingerprints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from matsciml_core.data.splits.grouping import SYMPREC, space_group
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Report, silent
from matsciml_tool_generate.composition_validity import (
    DEFAULT_TABLE,
    OxidationTable,
    is_valid_composition,
)
from matsciml_tool_generate.coverage import Fingerprint
from matsciml_tool_generate.distributions import density
from matsciml_tool_generate.fingerprints import FingerprintCache, featurizers, fingerprint
from matsciml_tool_generate.parallel import parallel_map, time_limit
from matsciml_tool_generate.structure_validity import (
    has_few_neighbours,
    is_valid_structure,
    shortest_distance,
)
from matsciml_tool_generate.structures import ParsedStructure

__all__ = ["SYMPREC", "TIME_LIMIT", "Validity", "ValidityOptions", "validate", "validate_all"]

TIME_LIMIT = 30.0
"""Seconds that the fingerprint of one crystal may take."""
_SECONDS, _FINGERPRINT_SECONDS = 0.02, 0.3
"""About how long a structure takes, and its fingerprint."""
_CRASHED = "the process that evaluated it crashed"
_MAX_OVERLAPPING = 100
"""Atoms up to which symmetry is searched among those that are on top of each other: of hundreds,
which all fit each other, the search does not come to an end."""
_Job = tuple[ParsedStructure, Fingerprint | None]
"""A structure, and its fingerprint where that was cached."""


@dataclass(frozen=True, kw_only=True)
class ValidityOptions:
    """Choices in the validity of a structure."""

    fingerprints: bool = True
    """Whether to compute fingerprints, which takes by far the longest."""
    table: OxidationTable = DEFAULT_TABLE
    """The list of oxidation states."""
    time_limit: float = TIME_LIMIT
    """Seconds that one fingerprint may take."""


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Validity of one structure, and the descriptors that are computed with it."""

    name: str
    fault: str = ""
    """Why it is not a crystal at all; empty: it is one."""
    formula: str = ""
    """Reduced."""
    atoms: int = 0
    elements: int = 0
    """Different elements."""
    volume_per_atom: float | None = None
    """Å³."""
    density: float | None = None
    """g/cm³."""
    shortest_distance: float | None = None
    """Between two atoms, images included, Å."""
    space_group: int | None = None
    """International number, found with the tolerance ``SYMPREC``."""
    structure_valid: bool = False
    composition_valid: bool = False
    fingerprint: Fingerprint | None = None
    fingerprint_fault: str = ""
    """Why there is no fingerprint, where one was asked for."""

    @property
    def valid(self) -> bool:
        """Whether structure and composition are valid, and the fingerprint was not impossible.

        CDVAE's program counts a crystal without a fingerprint as invalid, and so do the published
        numbers.
        """
        return self.structure_valid and self.composition_valid and not self.fingerprint_fault

    @property
    def reason(self) -> str:
        """Why the crystal is not valid, in words; empty where it is."""
        if self.fault:
            return self.fault
        if not self.structure_valid:
            return "atoms are too close"
        if not self.composition_valid:
            return "the charges cannot balance"
        return f"no fingerprint: {self.fingerprint_fault}" if self.fingerprint_fault else ""


def validate_all(
    structures: Sequence[ParsedStructure],
    options: ValidityOptions,
    *,
    cache: FingerprintCache | None = None,
    workers: int | None = None,
    label: str = "crystals",
    report: Report = silent,
) -> list[Validity]:
    """Evaluate the validity of structures, in several processes.

    Args:
        structures: The structures.
        options: Choices.
        cache: Cache of fingerprints; None: there is none.
        workers: Processes; None: one per core.
        label: Name of the structures, for the progress.
        report: Receives progress.

    Returns:
        The validity of each structure, in order.
    """
    # The cache is read and written by this process alone; the others get and return fingerprints.
    jobs: list[_Job] = [
        (
            structure,
            cache.get(structure.crystal)
            if cache is not None and options.fingerprints and structure.crystal
            else None,
        )
        for structure in structures
    ]

    def store(job: _Job, validity: Validity) -> None:
        structure, cached = job
        if cache and structure.crystal and validity.fingerprint and cached is None:
            cache.put(structure.crystal, validity.fingerprint)

    missing = sum(cached is None for _, cached in jobs) * options.fingerprints
    return parallel_map(
        partial(_validate_job, options=options),
        jobs,
        on_crash=lambda job: Validity(name=job[0].name, fault=_CRASHED),
        expected_seconds=_SECONDS * len(jobs) + _FINGERPRINT_SECONDS * missing,
        workers=workers,
        label=label,
        report=report,
        on_result=store,
    )


def _validate_job(job: _Job, options: ValidityOptions) -> Validity:
    structure, cached = job
    return validate(structure, options, cached)


def validate(
    structure: ParsedStructure,
    options: ValidityOptions | None = None,
    cached: Fingerprint | None = None,
) -> Validity:
    """Evaluate the validity of one structure; no structure raises.

    Args:
        structure: The structure.
        options: Choices; None: the defaults.
        cached: Its fingerprint, where that is known.
    """
    options = options or ValidityOptions()
    numbers, crystal = structure.atomic_numbers, structure.crystal
    validity = Validity(
        name=structure.name,
        fault=structure.fault,
        formula=structure.formula,
        atoms=len(numbers),
        elements=len(set(numbers)),
        composition_valid=is_valid_composition(numbers, options.table),
        fingerprint=cached,
    )
    if crystal is None:
        return validity
    distance = shortest_distance(crystal)
    valid, searchable = is_valid_structure(crystal, distance), has_few_neighbours(crystal)
    validity = replace(
        validity,
        volume_per_atom=crystal.volume / crystal.num_atoms,
        density=density(crystal),
        shortest_distance=distance,
        structure_valid=valid,
    )
    # Only where the search ends in a moment; collapsed crystals are left without a group.
    if searchable and (valid or crystal.num_atoms <= _MAX_OVERLAPPING):
        validity = replace(validity, space_group=_space_group(crystal))
    if options.fingerprints and cached is None:
        if not searchable:
            return replace(validity, fingerprint_fault="the cell is too dense")
        computed, fault = _timed_fingerprint(crystal, options.time_limit)
        return replace(validity, fingerprint=computed, fingerprint_fault=fault)
    return validity


def _timed_fingerprint(crystal: Crystal, limit: float) -> tuple[Fingerprint | None, str]:
    """Return the fingerprint, or why there is none."""
    featurizers()  # before the clock runs: an import that is broken off leaves half of a package
    started = time.monotonic()
    try:
        with time_limit(limit):
            return fingerprint(crystal), ""
    except DataError:
        # pymatgen hides a time-out that hits it inside one of its own handlers.
        late = time.monotonic() - started >= limit
        return None, "it took too long" if late else "it cannot be computed"
    except TimeoutError:
        return None, "it took too long"


def _space_group(crystal: Crystal) -> int:
    """Return the space group; 1 where the search fails, whatever is wrong with the cell."""
    try:
        return space_group(crystal)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of compiled Rust code is not an Exception
        return 1

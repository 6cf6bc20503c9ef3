"""Judging crystals one by one: validity, formula, symmetry, density, fingerprints."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matsciml_core.data.splits.grouping import SYMPREC, space_group
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.progress import Report, silent
from matsciml_tool_generate.composition_validity import (
    DEFAULT_TABLE,
    OxidationTable,
    is_valid_composition,
)
from matsciml_tool_generate.coverage import Fingerprint
from matsciml_tool_generate.distributions import density
from matsciml_tool_generate.fingerprints import FingerprintCache, featurizers, fingerprint
from matsciml_tool_generate.parallel import time_limit, work_on
from matsciml_tool_generate.structure_validity import (
    SHORTEST_DISTANCE,
    SMALLEST_VOLUME,
    can_be_searched,
    shortest_distance,
)
from matsciml_tool_generate.structures import ParsedStructure

__all__ = ["SYMPREC", "Validity", "validate", "validate_all"]

TIME_LIMIT = 30.0
"""Seconds that the fingerprint of one crystal may take."""
_SECONDS, _PRINT_SECONDS = 0.02, 0.3
"""What a crystal takes, and its fingerprint."""
_DIED = "the process that judged it died"
_FEW = 100
"""Atoms up to which symmetry is searched among those that are on top of each other: of hundreds,
which all fit each other, the search does not come to an end."""


@dataclass(frozen=True, kw_only=True)
class Validity:
    """What is known about one candidate."""

    name: str
    fault: str = ""
    """Why it is no crystal at all; empty: it is one."""
    formula: str = ""
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
    """Why there is no fingerprint, where one was wanted."""

    @property
    def valid(self) -> bool:
        """Whether structure and composition are valid and the fingerprint, if wanted, exists."""
        return self.structure_valid and self.composition_valid and not self.fingerprint_fault


def validate_all(
    candidates: Sequence[ParsedStructure],
    *,
    fingerprints: bool = True,
    table: OxidationTable = DEFAULT_TABLE,
    limit: float = TIME_LIMIT,
    cache: FingerprintCache | None = None,
    workers: int | None = None,
    label: str = "crystals",
    report: Report = silent,
) -> list[Validity]:
    """Judge candidates, in several processes.

    Args:
        candidates: What is to be judged.
        fingerprints: Whether their fingerprints are wanted, which take by far the longest.
        table: The list of oxidation states.
        limit: Seconds that one fingerprint may take.
        cache: Where fingerprints are looked up and kept; None: nowhere.
        workers: Processes; None: one per core.
        label: What is judged, for the progress.
        report: Receives progress.

    Returns:
        One judgement per candidate, in order.
    """
    known = [
        cache.get(one.crystal) if cache is not None and fingerprints and one.crystal else None
        for one in candidates
    ]
    jobs = list(zip(candidates, known, strict=True))

    def keep(job: tuple[ParsedStructure, Fingerprint | None], found: Validity) -> None:
        candidate, before = job
        if cache and candidate.crystal and found.fingerprint and before is None:
            cache.put(candidate.crystal, found.fingerprint)

    return work_on(
        partial(_validate_job, fingerprints=fingerprints, table=table, limit=limit),
        jobs,
        on_death=_bury,
        expected=_SECONDS * len(jobs) + _PRINT_SECONDS * known.count(None) * fingerprints,
        workers=workers,
        label=label,
        report=report,
        keep=keep,
    )


def validate(
    candidate: ParsedStructure,
    *,
    fingerprints: bool = True,
    known: Fingerprint | None = None,
    table: OxidationTable = DEFAULT_TABLE,
    limit: float = TIME_LIMIT,
) -> Validity:
    """Judge one candidate; nothing that it holds raises.

    Args:
        candidate: What is to be judged.
        fingerprints: Whether its fingerprint is wanted.
        known: Its fingerprint, where it is known.
        table: The list of oxidation states.
        limit: Seconds that the fingerprint may take.
    """
    composition_valid = is_valid_composition(candidate.atomic_numbers, table)
    crystal = candidate.crystal
    if crystal is None:
        return Validity(
            name=candidate.name,
            fault=candidate.fault,
            formula=_formula(candidate.atomic_numbers),
            atoms=len(candidate.atomic_numbers),
            elements=len(set(candidate.atomic_numbers)),
            composition_valid=composition_valid,
        )
    distance = shortest_distance(crystal)
    roomy = can_be_searched(crystal)
    apart = distance > SHORTEST_DISTANCE
    found, fault = known, ""
    if fingerprints and known is None:
        found, fault = _fingerprint(candidate, limit) if roomy else (None, "the cell is too dense")
    return Validity(
        name=candidate.name,
        formula=_formula(candidate.atomic_numbers),
        atoms=crystal.num_atoms,
        elements=len(set(candidate.atomic_numbers)),
        volume_per_atom=crystal.volume / crystal.num_atoms,
        density=density(crystal),
        shortest_distance=distance,
        space_group=(
            _space_group(crystal) if roomy and (apart or crystal.num_atoms <= _FEW) else None
        ),
        structure_valid=crystal.volume >= SMALLEST_VOLUME and apart,
        composition_valid=composition_valid,
        fingerprint=found,
        fingerprint_fault=fault,
    )


def _validate_job(
    job: tuple[ParsedStructure, Fingerprint | None],
    *,
    fingerprints: bool,
    table: OxidationTable,
    limit: float,
) -> Validity:
    candidate, known = job
    return validate(candidate, fingerprints=fingerprints, known=known, table=table, limit=limit)


def _bury(job: tuple[ParsedStructure, Fingerprint | None]) -> Validity:
    return Validity(name=job[0].name, fault=_DIED)


def _fingerprint(candidate: ParsedStructure, limit: float) -> tuple[Fingerprint | None, str]:
    if candidate.crystal is None:
        return None, candidate.fault
    featurizers()  # before the clock runs: an import that is broken off leaves half of a package
    started = time.monotonic()
    try:
        with time_limit(limit):
            return fingerprint(candidate.crystal), ""
    except DataError:
        # pymatgen hides a time-out that hits it inside one of its own handlers.
        late = time.monotonic() - started >= limit
        return None, "it took too long" if late else "it cannot be computed"
    except TimeoutError:
        return None, "it took too long"


def _space_group(crystal: Crystal) -> int:
    """Return the space group, 1 where none can be found, whatever the search thinks of the cell."""
    try:
        return space_group(crystal)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of compiled Rust code is no Exception
        return 1


def _formula(numbers: Sequence[int]) -> str:
    """Return the reduced formula, empty where there is no atom."""
    if not numbers:
        return ""
    from pymatgen.core.composition import Composition  # noqa: PLC0415 - heavy

    counts = Counter(symbol(number) for number in numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that noble gases have no electronegativity
        return str(Composition(dict(counts)).reduced_formula)

"""Whether the search for leaks grows in proportion to the number of structures.

Run ``python benchmarks/leaks.py --sizes 10000 100000 1000000``; ``--check`` exits with 1 where a
bar is missed, ``--output FILE`` writes the result as Markdown. The structures are synthetic: low
symmetry, four to twelve atoms; of each ten, three share a composition and one is another
description of the first one (moved, turned, reordered, shaken by 0.005 Å), so that it is known how
many must be found. They lie in a store in a temporary folder, 450 bytes each.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import _measure
import numpy as np

from matsciml_core import Crystal
from matsciml_core.data import CrystalStoreWriter, StoreDataset
from matsciml_core.data.leaks.search import TOLERANCE, Judge, Lookup, cluster, describe
from matsciml_core.interfaces.dataset import Provenance

PREDICTION = """\
A fingerprint is a neighbour list with 33 neighbours per atom and a few sums, 0.15 ms for a crystal
of eight atoms. Sorting takes 1 µs per structure. One structure in ten has a twin, which costs two
searches for symmetry of 0.3 ms and, where it is confirmed, a StructureMatcher of 2 ms. So 0.2 ms
per structure up to the confirmations, whatever the size, and 0.2 ms more with them: a million in
four minutes, and in seven with every twin confirmed. Memory is 80 bytes per structure."""
GROWTH = 1.25
"""Most that the time per structure may grow from the smallest to the largest size."""
FOUND = 0.99
"""Share of the planted twins that must be found."""


@dataclass(frozen=True)
class Result:
    """What one size took."""

    size: int
    fingerprints: float
    """Core seconds for reading and describing all structures."""
    comparison: float
    """Core seconds for finding and judging candidates, symmetry included."""
    confirmation: float
    """Core seconds for StructureMatcher."""
    pairs: int
    """Pairs of structures that StructureMatcher compared."""
    candidates: int
    confirmed: int
    planted: int
    memory: float
    """Largest memory of the process so far, GB."""

    @property
    def each(self) -> float:
        """Core milliseconds per structure up to the confirmations."""
        return 1e3 * (self.fingerprints + self.comparison) / self.size


def main() -> int:
    """Measure, print the result, and return the exit code."""
    options = _options()
    _measure.on_one_core()
    results = []
    for size in sorted(options.sizes):
        with TemporaryDirectory() as folder:
            results.append(_measure_size(size, Path(folder), options.pairs))
        print(_report(results), flush=True)
    if options.output is not None:
        options.output.write_text(_report(results), encoding="utf-8")
    return 0 if all(passed for _, _, _, passed in _bars(results)) or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument(
        "--pairs",
        type=int,
        help="at most so many pairs go to StructureMatcher, later ones pass; default: all do",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    return parser.parse_args()


def _measure_size(size: int, folder: Path, most_pairs: int | None) -> Result:
    _write(size, folder)
    datasets = {"synthetic": StoreDataset(folder)}
    started = time.process_time()
    keys, prints = describe(datasets)
    described = time.process_time()
    lookup = _Timed(Lookup(datasets), most_pairs)
    judge = Judge(lookup, confirm=True)  # type: ignore[arg-type]
    groups = cluster(keys, prints, judge, TOLERANCE)
    compared = time.process_time()
    return Result(
        size=size,
        fingerprints=described - started,
        comparison=compared - described - lookup.seconds,
        confirmation=lookup.seconds,
        pairs=lookup.pairs,
        candidates=judge.asked,
        confirmed=sum(groups[k] == groups[k - 9] for k in range(9, size, 10)),
        planted=size // 10,
        memory=_measure.peak_memory() * 2**20 / 1e9,
    )


class _Timed:
    """Finds structures, and counts the time that StructureMatcher takes for the first pairs."""

    def __init__(self, lookup: Lookup, most_pairs: int | None) -> None:
        self._lookup, self._most = lookup, most_pairs
        self.seconds, self.pairs = 0.0, 0
        self.crystal = lookup.crystal

    def __len__(self) -> int:
        return len(self._lookup)

    def same(self, one: int, other: int) -> bool:
        if self.pairs == self._most:
            return True
        self.pairs += 1
        started = time.process_time()
        agreed = bool(self._lookup.same(one, other))
        self.seconds += time.process_time() - started
        return agreed


def _write(size: int, folder: Path) -> None:
    with CrystalStoreWriter(folder, [], Provenance(source="synthetic")) as writer:
        for crystal in _crystals(size):
            writer.add(crystal)


def _crystals(size: int) -> Iterator[Crystal]:
    grid = np.stack(np.meshgrid([0, 1, 2], [0, 1], [0, 1]), -1).reshape(-1, 3) / [3.0, 2.0, 2.0]
    shape = np.diag([7.5, 5.0, 5.0])
    for number in range(size):
        place = number % 10
        random = np.random.default_rng(number - 9 if place == 9 else number)
        atoms = 4 + number // 10 % 9
        cell = shape * random.uniform(0.9, 1.1, 3) + random.normal(0, 0.3, (3, 3))
        fractional = grid[random.permutation(12)[:atoms]] + random.uniform(-0.07, 0.07, (atoms, 3))
        # The first three of ten share a composition, and so does the twin of the first one.
        choice = np.random.default_rng([number // 10, 0 if place in (0, 1, 2, 9) else place])
        numbers = np.sort(choice.choice(80, 3, replace=False) + 1)[np.arange(atoms) % 3]
        positions = fractional @ cell
        if place == 9:
            other = np.random.default_rng([number, 1])
            order, turn = other.permutation(atoms), np.linalg.qr(other.normal(size=(3, 3)))[0]
            moved = positions + other.normal(size=3) + other.normal(0, 0.005, (atoms, 3))
            positions, cell, numbers = (moved @ turn)[order], cell @ turn, numbers[order]
        yield Crystal(id=f"s{number}", atomic_numbers=numbers, positions=positions, cell=cell)


def _bars(results: Sequence[Result]) -> list[tuple[str, float, float, bool]]:
    growth = results[-1].each / results[0].each
    found = min(result.confirmed / result.planted for result in results)
    return [
        ("time per structure, largest over smallest size", GROWTH, growth, growth <= GROWTH),
        ("planted twins found, share", FOUND, found, found >= FOUND),
    ]


def _report(results: Sequence[Result]) -> str:
    packages = ("numpy", "vesin", "moyopy", "pymatgen", "pymatgen-core", "lmdb")
    header = (
        *("structures", "fingerprints", "comparison", "per structure", "confirmation", "of pairs"),
        *("candidates", "twins found", "memory"),
    )
    rows = [
        (
            f"{one.size:,}",
            f"{one.fingerprints:,.1f} s",
            f"{one.comparison:,.1f} s",
            f"{one.each:.3f} ms",
            f"{one.confirmation:,.1f} s",
            f"{one.pairs:,}",
            f"{one.candidates:,}",
            f"{one.confirmed:,} of {one.planted:,}",
            f"{one.memory:.2f} GB",
        )
        for one in results
    ]
    bars = [
        (name, f"{limit:g}", f"{found:.3f}", "pass" if passed else "FAIL")
        for name, limit, found, passed in _bars(results)
    ]
    parts = [
        "# Leaks",
        "Written by `python benchmarks/leaks.py --output benchmarks/results/leaks.md`.",
        _measure.markdown_list(_measure.machine(packages)),
        "## Prediction",
        PREDICTION,
        "## Measurement",
        "Core time on one core. Fingerprints: reading the store, compositions and fingerprints. "
        "Comparison: sorting, candidates, and their space groups. Per structure: the two together. "
        "Confirmation: StructureMatcher, for so many pairs; where these are fewer than the "
        "candidates, the others pass without it. Memory: the largest of the process, libraries "
        "included.",
        _measure.markdown_table(header, rows),
        _measure.markdown_table(("bar", "needed", "measured", ""), bars),
        "## Conclusion",
        _conclusion(results),
    ]
    return "\n\n".join(parts) + "\n"


def _conclusion(results: Sequence[Result]) -> str:
    missed = [name for name, _, _, passed in _bars(results) if not passed]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every bar is reached."
    last = results[-1]
    pair = 1e3 * last.confirmation / max(last.pairs, 1)
    return (
        f"{verdict} At the largest size a structure takes {last.each:.2f} ms up to the "
        f"confirmations, and a confirmation {pair:.1f} ms."
    )


if __name__ == "__main__":
    sys.exit(main())

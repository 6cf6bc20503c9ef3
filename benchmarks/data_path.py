"""How fast crystals become batches, beside the way toolkits do it today.

Run ``python benchmarks/data_path.py``; ``--check`` exits with 1 where a bar is missed,
``--output FILE`` writes the result as Markdown. Everything runs on one core, in one process, in
turns: the project's data path, and pickled pymatgen structures in LMDB that this script writes
into a temporary folder itself. Rates are structures per second of core time, which other
processes on the machine do not change; the rate on the wall clock stands beside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import _measure

Timings = dict[str, _measure.Timing]

LABELS = {
    "decode": "decode from the store into a batch",
    "unpickle": "LMDB + pickle.loads of Structures",
    "unpickle_batch": "the same, and tensors of the batch",
    "search": "neighbour list at 6 Å",
    "get_all_neighbors": "Structure.get_all_neighbors(6.0)",
    "get_neighbor_list": "Structure.get_neighbor_list(6.0), compiled",
    "ase": "ase.neighborlist at 6 Å",
    "path": "decode + neighbour list + collate",
    "objects": "pickle.loads + get_all_neighbors + collate",
    "cached": "decode + cached neighbour list + collate",
}
COMPARED = {
    "decode": ("unpickle", "unpickle_batch"),
    "search": ("get_all_neighbors", "get_neighbor_list", "ase"),
    "path": ("objects",),
    "cached": ("objects",),
}
"""Each part of the data path, and what stands beside it."""

PREDICTED = {"decode": 200_000, "unpickle": 6_500, "search": 9_000, "path": 9_000, "cached": 70_000}
PREDICTION = """\
Made from the times of single steps, before the first complete run, for a machine without other
work. A batch of 32 is decoded in 0.13 to 0.18 ms, the time in which one structure is unpickled,
so decoding should run at about 200,000 structures/s, 30 times the pickled way. The compiled search
takes 0.1 ms for a crystal of eleven atoms, so the neighbour list, and the whole path with it,
should run at about 9,000 structures/s, 80 times the way by get_all_neighbors. Cached edges are
only copied: 70,000 structures/s."""

REMARK = """\
The predictions are sums of the best times of single steps, with caches to themselves; measured are
medians on whatever else the machine does. Python's garbage collector takes about a fifth of the
time of unpickling batches of 32 structures, and next to nothing of decoding; that, too, widens the
range of the pickled way."""


@dataclass(frozen=True)
class Bar:
    """Something the data path must reach."""

    text: str
    measured: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether it is reached."""
        return self.measured >= self.limit


def main() -> int:
    """Measure, print the result, and return the exit code."""
    options = _options()
    _measure.on_one_core()
    with TemporaryDirectory() as folder:
        tasks = _tasks(Path(folder))
        timings = _measure.interleave(tasks, options.repeats)
    bars = _bars(timings)
    text = _report(timings, bars, options.repeats)
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0 if all(bar.passed for bar in bars) or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=9, help="at least 7 for a fair median")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    return parser.parse_args()


def _tasks(folder: Path) -> list[_measure.Task]:
    # Imported once the process is on its core: libraries start threads when they are imported.
    try:
        tasks: list[_measure.Task] = import_module("_data_path_ways").tasks(folder)
    except ImportError as error:
        sys.exit(f"This benchmark needs the project and its plugins installed ({error}).")
    return tasks


def _bars(timings: Timings) -> list[Bar]:
    def ratio(name: str, other: str, limit: float) -> Bar:
        measured = _measure.speedup(timings[name], timings[other])
        return Bar(f"{LABELS[name]} / {LABELS[other]}", measured, limit)

    return [
        Bar(f"{LABELS['decode']}, structures/s on one core", timings["decode"].rate, 50_000),
        ratio("decode", "unpickle", 20),
        ratio("path", "objects", 15),
    ]


def _report(timings: Timings, bars: Sequence[Bar], repeats: int) -> str:
    packages = ("torch", "numpy", "lmdb", "vesin", "pymatgen", "pymatgen-core", "ase")
    parts = [
        "# Data path",
        "Written by `python benchmarks/data_path.py --output benchmarks/results/data_path.md`.",
        _measure.markdown_list(_measure.machine(packages)),
        "## Prediction",
        PREDICTION,
        "## Measurement",
        f"Random batches of 32 from the Materials Project sample, warm caches, medians of "
        f"{repeats} repeats in turns. Rates are structures per second of core time; range: the "
        "slowest and the fastest repeat; wall: by the wall clock, other processes included. The "
        "ratio says how many times faster the bold way above is, as the median over the repeats.",
        _rates(timings),
        _measure.markdown_table(
            ("bar", "needed", "measured", ""),
            [
                (bar.text, f"{bar.limit:,.0f}", f"{bar.measured:,.0f}", _verdict(bar))
                for bar in bars
            ],
        ),
        "## Conclusion",
        _conclusion(timings, bars),
        REMARK,
    ]
    return "\n\n".join(parts) + "\n"


def _rates(timings: Timings) -> str:
    header = ("way", "structures/s", "range", "wall", "predicted", "ratio")
    rows = [
        _rate(name, timings[name], timings[ours], bold=name == ours)
        for ours, others in COMPARED.items()
        for name in (ours, *others)
        if name in timings
    ]
    return _measure.markdown_table(header, rows)


def _rate(name: str, timing: _measure.Timing, ours: _measure.Timing, *, bold: bool) -> list[str]:
    low, high = timing.spread
    return [
        f"**{LABELS[name]}**" if bold else LABELS[name],
        f"{timing.rate:,.0f}",
        f"{low:,.0f} – {high:,.0f}",
        f"{timing.wall_rate:,.0f}",
        f"{PREDICTED[name]:,}" if name in PREDICTED else "",
        "" if bold else f"{_measure.speedup(ours, timing):,.1f}",
    ]


def _verdict(bar: Bar) -> str:
    return "pass" if bar.passed else "FAIL"


def _conclusion(timings: Timings, bars: Sequence[Bar]) -> str:
    margins = ", ".join(f"{bar.measured / bar.limit:.1f}" for bar in bars)
    missed = [bar.text for bar in bars if not bar.passed]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every bar is reached."
    shares = ", ".join(
        f"{LABELS[name]} {timings[name].rate / rate:.2f}" for name, rate in PREDICTED.items()
    )
    return f"{verdict} Measured over needed: {margins}. Measured over predicted: {shares}."


if __name__ == "__main__":
    sys.exit(main())

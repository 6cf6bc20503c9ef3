"""How long ``matsciml evaluate-crystals`` takes, cold and warm, beside an older build.

    python benchmarks/evaluating.py --old ../matsciml-3ad5d8f --number 1000

The crystals to evaluate are those of ``mp`` with at most 25 atoms, as many as asked for, each atom
displaced at random by 0.05 Å (standard deviation, along each axis): real enough that every metric
has work to do. They are evaluated beside the test and training parts of ``mp`` with every metric
that needs no energies, by each build in turn, as a command of its own. *Cold* starts with an empty
cache of fingerprints, *warm* repeats it with the cache that the first one left. Core seconds are
those of the command and its workers; memory is the largest of any one of these processes. Whether
both builds find the same metrics is said below the table.

Writes ``benchmarks/results/evaluating.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _measure
import numpy as np

from matsciml_core import Crystal, build_registry
from matsciml_core.data.readers.extxyz import write_frames
from matsciml_tool_generate.reference import read_reference

RESULTS = Path(__file__).parent / "results"
MAX_ATOMS = 25
DISPLACEMENT = 0.05
"""Å."""


@dataclass(frozen=True)
class Used:
    """What a command used."""

    wall: float
    """s."""
    core: float
    """s, of all its processes."""
    memory: float
    """MiB, of the largest process."""


def main() -> None:
    """Evaluate with each build, cold and warm, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    _measure.take_older_build(parser)
    parser.add_argument("--number", type=int, default=1000, help="crystals to evaluate")
    parser.add_argument("--workers", type=int, default=2, help="processes of each command")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the page")
    options = parser.parse_args()
    builds = {"today": Path(sys.executable).with_name("matsciml")}
    if options.old:
        builds = {"older": _measure.program_of(options.old, "matsciml"), **builds}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        crystals = displaced(options.number)
        write_frames(folder / "crystals.extxyz", crystals)
        measured: dict[tuple[str, str], Used] = {}
        for cache in ("cold", "warm"):
            for name, program in builds.items():
                measured[name, cache] = evaluate(folder, name, cache, program, options.workers)
        text = page(folder, measured, len(crystals), options.workers)
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "evaluating.md").write_text(text, encoding="utf-8")


def displaced(number: int) -> list[Crystal]:
    """Return crystals of the training part of ``mp``, with displaced atoms."""
    structures = read_reference("mp:train", build_registry(), max_atoms=MAX_ATOMS)
    crystals = [one.crystal for one in structures if one.crystal is not None]
    generator = np.random.default_rng(0)
    chosen = generator.permutation(len(crystals))[:number]
    return [
        Crystal(
            id=crystals[index].id,
            atomic_numbers=crystals[index].atomic_numbers,
            positions=crystals[index].positions
            + generator.normal(0.0, DISPLACEMENT, crystals[index].positions.shape),
            cell=crystals[index].cell,
        )
        for index in chosen
    ]


def evaluate(folder: Path, name: str, cache: str, program: Path, workers: int) -> Used:
    """Run the command of a build, and return what it used.

    Args:
        folder: With the crystals; metrics and the cache of each build come into it.
        name: Of the build.
        cache: Cold or warm, for the name of the result.
        program: The build's ``matsciml``.
        workers: Processes.
    """
    command = [str(program), "evaluate-crystals", str(folder / "crystals.extxyz")]
    command += ["--reference", "mp:test", "--reference-train", "mp:train"]
    command += ["--max-atoms", str(MAX_ATOMS), "--workers", str(workers)]
    command += ["--output", str(folder / f"{name}-{cache}")]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MATSCIML_DATA": str(folder / f"{name}-data"),
    }
    print(f"{name}, {cache} …", flush=True)
    start = time.perf_counter()
    process = os.posix_spawn(program, command, environment)
    # Of this command alone: getrusage would add up all that were waited for.
    _, status, used = os.wait4(process, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {status}.")
    return Used(
        wall=time.perf_counter() - start,
        core=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024),
    )


def page(folder: Path, measured: dict[tuple[str, str], Used], number: int, workers: int) -> str:
    """Return the result as Markdown."""
    rows = [
        [
            f"{name}, {cache}",
            f"{used.wall:.0f}",
            f"{used.core:.0f}",
            f"{used.memory:.0f}",
            f"{measured.get(('older', cache), used).wall / used.wall:.2f}",
        ]
        for (name, cache), used in measured.items()
    ]
    header = ["build, cache", "wall, s", "cores, s", "memory, MiB", "times older"]
    facts = _measure.machine(("torch", "pymatgen", "matminer", "smact"))
    parts = [
        "# Evaluating generated crystals",
        f"{number} crystals of `mp` with displaced atoms, {workers} processes.",
        _measure.markdown_table(header, rows),
        _compared(folder),
        _measure.markdown_list(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _compared(folder: Path) -> str:
    """Return a sentence on the metrics of both builds; nothing if there is one build."""
    if not (folder / "older-cold").is_dir():
        return ""
    older, today = (_metrics(folder / f"{name}-cold") for name in ("older", "today"))
    shared = sorted(set(older) & set(today))
    apart = [name for name in shared if older[name] != today[name]]
    if not apart:
        return f"Both builds find the same: {', '.join(shared)}."
    told = ", ".join(f"{name} {older[name]} and {today[name]}" for name in apart)
    return f"Of {len(shared)} metrics that both builds have, {len(apart)} differ: {told}."


def _metrics(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {name: metric["value"] for name, metric in data["metrics"].items()}


if __name__ == "__main__":
    main()

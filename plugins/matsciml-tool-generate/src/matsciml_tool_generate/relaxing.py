"""Relaxing generated crystals by a trained potential, one by one and resumable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.convert import from_ase, to_ase
from matsciml_core.data.readers.extxyz import write_frame
from matsciml_core.errors import MatSciMLError
from matsciml_core.files import open_whole_text, write_json
from matsciml_core.guarded import read_json
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Meter, Report, silent
from matsciml_util_potential.calculator import ModelCalculator
from matsciml_util_potential.relaxation import relax

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

FAILED = "relaxing it failed"
"""Why a generated crystal has no relaxed one: its energy is not finite, its cell collapses, or the
potential does not know an element."""


@dataclass(frozen=True, kw_only=True)
class RelaxationSummary:
    """Relaxations of generated crystals."""

    path: Path
    """Extended XYZ of the relaxed crystals."""
    written: int
    """Crystals in it."""
    converged: int
    """Those of them on whose atoms no larger force is left than was asked for."""
    failed: int
    """Crystals that could not be relaxed."""
    median_rmsd: float
    """Of the written ones, Å; NaN where there is none."""


class CrystalRelaxer:
    """Relaxes atoms and cell by a potential.

    Args:
        model: A model that predicts a total energy.
        steps: Most steps.
        largest_force: Converged where no atom feels more, eV/Å.

    Raises:
        ConfigError: The model predicts no energy.
    """

    def __init__(
        self, model: TrainedModel, *, steps: int = 200, largest_force: float = 0.05
    ) -> None:
        """Make the calculator."""
        self.steps, self.largest_force = steps, largest_force
        self._fingerprint = model.fingerprint
        self._calculator = ModelCalculator(model, stress=True)

    def as_data(self) -> dict[str, Any]:
        """Return model and settings as plain data."""
        return {
            "model": self._fingerprint,
            "steps": self.steps,
            "largest_force": self.largest_force,
        }

    def relax(self, crystal: Crystal) -> dict[str, Any]:
        """Relax a crystal.

        Returns:
            ``frame``: extended XYZ of where it ends, with ``rmsd`` (Å), ``energy`` (eV), ``steps``
            and ``converged``, which stand beside it as numbers, too; None where it failed.
        """
        atoms = to_ase(crystal)
        atoms.calc = self._calculator
        try:
            result = relax(atoms, cell="full", largest_force=self.largest_force, steps=self.steps)
            # Without the calculator: labels that another model predicted are not of the crystal.
            atoms.calc = None
            relaxed = from_ase(atoms, id=crystal.id)
        # NumPy and ASE raise these where a cell has collapsed, or numbers have overflown.
        except (MatSciMLError, ValueError, ArithmeticError, np.linalg.LinAlgError):
            return {"frame": None}
        values = {
            "rmsd": displacement(crystal, relaxed),
            "energy": result.final.energy,
            "steps": result.final.index,
            "converged": result.converged,
        }
        stream = StringIO()
        write_frame(stream, relaxed, values=values)
        return {"frame": stream.getvalue(), **values}


def displacement(start: Crystal, end: Crystal) -> float:
    """Return the root mean square displacement of atoms from one crystal to another, Å.

    Atoms are taken to be the same in order; what all of them have in common is no displacement,
    nor is what the cell takes along: differences of fractional coordinates are measured in the
    mean of both cells.

    Args:
        start: The crystal before.
        end: The crystal after, with the same atoms.
    """
    change = end.fractional - start.fractional
    change -= np.rint(change)
    change -= change.mean(0)
    vectors = change @ (0.5 * (start.cell + end.cell))
    return float(np.sqrt(np.square(vectors).sum(1).mean()))


def relax_all(
    crystals: Mapping[str, Crystal],
    relaxer: CrystalRelaxer,
    folder: Path,
    output: Path,
    *,
    rejected: Mapping[str, int] = {},
    report: Report = silent,
) -> RelaxationSummary:
    """Relax crystals and write them to a file; those that the folder has are not relaxed again.

    Args:
        crystals: By id, a name of a file.
        relaxer: Relaxes one.
        folder: Has a file for each that is done, and survives an interruption.
        output: The extended XYZ file. Its counts go into ``<output>.json``.
        rejected: Crystals of which none came, by reason, for these counts.
        report: Receives progress.
    """
    meter = Meter("relaxing", report, unit="crystals", total=len(crystals))
    records = []
    for name, crystal in crystals.items():
        path = folder / f"{name}.relaxed.json"
        if not path.is_file():
            write_json(path, relaxer.relax(crystal))
        records.append(read_json(path))
        meter.add()
    meter.finish()
    done = [record for record in records if record["frame"] is not None]
    failed = len(records) - len(done)
    with open_whole_text(output) as stream:
        stream.writelines(record["frame"] for record in done)
    summary = RelaxationSummary(
        path=output,
        written=len(done),
        converged=sum(record["converged"] for record in done),
        failed=failed,
        median_rmsd=float(np.median([record["rmsd"] for record in done] or [np.nan])),
    )
    counts = Counter(rejected)
    if failed:
        counts[FAILED] += failed
    data = {
        **relaxer.as_data(),
        "written": summary.written,
        "converged": summary.converged,
        "median_rmsd": summary.median_rmsd if done else None,
        "rejected": dict(counts),  # as of generated crystals, so that evaluations count them
    }
    write_json(output.with_name(f"{output.name}.json"), data)
    return summary

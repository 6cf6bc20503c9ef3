"""Outputs of electronic-structure codes that ASE reads, with what its readers miss put right.

Run on outputs of the codes, ASE 3.29.0 differs from what one expects:

- **CASTEP**: a run without its last lines is refused as a whole, and of several runs in one file
  the last alone is read. Energies lack the dispersion correction, which is parsed under one name
  and looked up under another, while the forces have it.
- **Quantum ESPRESSO**: with a hybrid functional the first of several energies of a step is taken,
  that of a Hamiltonian without or with outdated exchange, which is electronvolts off; the one that
  belongs to the forces is marked by two exclamation marks. Which atoms are held is lost.
- **FHI-aims**: a run without its last lines is refused as a whole. When it is accepted by a
  setting, a step that was not finished gets the structure of the first. Velocities, printed in
  Å/ps, are taken for ASE's own unit: of water at 300 K it makes 2,894,719 K.
- **GPAW**: one torn step costs all others. The energy is the extrapolated one, and forces belong
  to the free energy.

Energies are called by their kind, therefore: ``free_energy``, which forces belong to, and
``energy_sigma0``, extrapolated to zero smearing; ``energy`` where a code prints one alone.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from typing import Any, ClassVar

import numpy as np
from ase.io.aims import read_aims_output
from ase.io.castep import read_castep_castep, read_castep_md
from ase.io.espresso import read_espresso_out
from ase.io.gpaw_out import read_gpaw_out
from ase.units import fs

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_core.interfaces.held import held_properties
from matsciml_reader_ase.trajectory import frame_from_atoms

UNITS = {
    "energy": "eV",
    "free_energy": "eV",
    "energy_sigma0": "eV",
    "forces": "eV/A",
    "stress": "eV/A^3",
}
TORN = "The step was not written to its end."
_PER_PICOSECOND = 1 / (1000 * fs)
"""Å/ps in ASE's unit of velocity, Å by √(u/eV)."""


class _Text(TextIOWrapper):
    """A text in memory that ASE's readers take for a file."""

    name = "the output"

    def __init__(self, text: str) -> None:
        super().__init__(BytesIO(text.encode()), encoding="utf-8")


class TextCodeReader(Reader):
    """Reads the steps of an output with ASE's reader of its format."""

    form: ClassVar[str]
    """ASE's name of the format."""
    parse: ClassVar[Callable[..., Any]]
    """ASE's reader of an open file."""
    step: ClassVar[re.Pattern[str]]
    """What each step but the first begins with."""
    options: ClassVar[dict[str, Any]] = {}
    """Arguments of ASE's reader."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the complete steps; one in which a run ends as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: There is no complete step in it.
        """
        with file.open() as stream:
            # A last line without an end may have half a number.
            text = stream.read().decode(errors="replace").rpartition("\n")[0] + "\n"
        count, fault = 0, ""
        for run in self.runs(text):
            frames, torn, said = self._steps(run)
            fault = fault or said
            for frame in frames:
                yield replace(frame, name=f"{file.stem}-{count:06d}")
                count += 1
            if torn and count:
                yield Rejection(f"{file.stem}-{count:06d}", TORN)
        if not count:
            raise DataError(
                f"'{file.path}' has no complete step that ASE's reader '{self.form}' finds"
                f"{f' ({fault})' if fault else ''}; was the calculation cut in its first?"
            )

    def runs(self, text: str) -> list[str]:
        """Return the runs that a file has one behind the other, as ASE reads them.

        Args:
            text: The file.
        """
        return [text]

    def finished(self, run: str) -> bool:
        """Return whether a run says that it ended; True where the code says nothing."""
        return True

    def frame(self, atoms: Any, run: str) -> Frame:
        """Return the record of a step.

        Args:
            atoms: ASE's, with its results.
            run: The text that it was read from.
        """
        return frame_from_atoms(atoms, "")

    def _steps(self, run: str) -> tuple[list[Frame], bool, str]:
        """Return the complete steps of a run, whether one is torn, and what ASE said of it."""
        images, fault = self._images(run)
        torn = bool(fault)
        if not images:
            # Most readers return all steps or none.
            starts = [match.start() for match in self.step.finditer(run)]
            if starts:
                images, _ = self._images(run[: starts[-1]])
                torn = True
        frames = [self.frame(atoms, run) for atoms in images]
        if frames and not _is_whole(frames[-1], frames[0]):
            frames.pop()
            torn = True
        return [replace(frame, units=UNITS) for frame in frames], torn, fault

    def _images(self, run: str) -> tuple[list[Any], str]:
        images: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                images.extend(type(self).parse(_Text(run), index=slice(None), **self.options))
            except Exception as error:  # of a reader of text that ends anywhere
                return images, f"{type(error).__name__}: {error}"
        return images, ""


def _is_whole(last: Frame, first: Frame) -> bool:
    """Return whether the last step has what the first one has."""
    atoms = len(np.asarray(last.atomic_numbers))
    return all(
        last.values.get(key) is not None for key in UNITS if first.values.get(key) is not None
    ) and np.shape(last.values.get("forces", np.zeros((atoms, 3)))) == (atoms, 3)


class EspressoReader(TextCodeReader):
    """Reads the output of Quantum ESPRESSO's pw.x."""

    form = "espresso-out"
    parse = read_espresso_out
    step = re.compile(r"^ATOMIC_POSITIONS", re.MULTILINE)
    _FLAGGED = re.compile(
        r"^ATOMIC_POSITIONS[^\n]*\n((?:\s*\S+(?:\s+[-+.\dEe]+){3}[^\n]*\n)+)", re.M
    )

    def runs(self, text: str) -> list[str]:
        """Return the file as one run, each step with the energy that its forces belong to."""
        if "!!   total energy" in text:
            text = re.sub(r"^!    total energy", "     total energy", text, flags=re.MULTILINE)
            text = text.replace("!!   total energy", "!    total energy")
        return [text]

    def frame(self, atoms: Any, run: str) -> Frame:
        """Return the record of a step, with the directions along which atoms are held."""
        frame = super().frame(atoms, run)
        block = self._FLAGGED.search(run)
        rows = [line.split()[4:7] for line in block[1].splitlines()] if block else []
        flags = [row if len(row) == 3 else ["1"] * 3 for row in rows]
        if len(flags) != len(atoms) or not any("0" in row for row in flags):
            return frame
        held = held_properties([[flag == "0" for flag in row] for row in flags])
        return replace(frame, site_properties={**frame.site_properties, **held})


class AimsReader(TextCodeReader):
    """Reads the output of FHI-aims, whose forces on held atoms are zero in the file."""

    form = "aims-output"
    parse = read_aims_output
    step = re.compile(r"^\s*Begin self-consistency loop: Re-initialization", re.MULTILINE)
    options: ClassVar[dict[str, Any]] = {"non_convergence_ok": True}

    def frame(self, atoms: Any, run: str) -> Frame:
        """Return the record of a step, its momenta in ASE's unit."""
        frame = super().frame(atoms, run)
        if "momenta" not in frame.values:
            return frame
        return replace(
            frame, values={**frame.values, "momenta": frame.values["momenta"] * _PER_PICOSECOND}
        )

    def _steps(self, run: str) -> tuple[list[Frame], bool, str]:
        if "Have a nice day." in run:
            return super()._steps(run)
        # A relaxation is split by other lines, and its last part is never taken.
        if "Geometry relaxation:" not in run:
            starts = [match.start() for match in self.step.finditer(run)]
            if not starts:
                return [], True, "the run does not say that it ended"
            run = run[: starts[-1]]
        frames, _, fault = super()._steps(run)
        return frames, True, fault


class CastepReader(TextCodeReader):
    """Reads CASTEP's .castep, all runs that were appended to it."""

    form = "castep-castep"
    parse = read_castep_castep
    step = re.compile(
        r"^.*(?:BFGS: starting iteration|BFGS: improving iteration|Starting MD iteration)",
        re.MULTILINE,
    )
    _RUN = re.compile(r"^.*(?:Welcome|Materials Studio).*CASTEP.*$", re.MULTILINE)
    _END = "Finalisation time   ="

    def runs(self, text: str) -> list[str]:
        """Return the runs of a file, of which ASE reads the last one alone."""
        starts = [match.start() for match in self._RUN.finditer(text)] or [0]
        return [text[i:j] for i, j in zip(starts, [*starts[1:], len(text)], strict=True)]

    def frame(self, atoms: Any, run: str) -> Frame:
        """Return the record of a step, its energies with the dispersion that forces have."""
        frame = super().frame(atoms, run)
        values = {
            key: value
            for key, value in frame.values.items()
            if not re.fullmatch(r"(free_)?energy.*", key)
        }
        for kind in ("without_dispersion_correction", "with_dispersion_correlation"):
            energies = {
                "free_energy": ("free_energy", "energy"),  # metals, and what has no smearing
                "energy_sigma0": ("energy_zero",),
            }
            for name, prefixes in energies.items():
                found = (frame.values.get(f"{prefix}_{kind}") for prefix in prefixes)
                value = next((value for value in found if value is not None), None)
                if value is not None:
                    values[name] = value
        finite = frame.values.get("energy_with_finite_basis_set_correction")
        if finite is not None:
            values["energy_finite_basis"] = finite
        return replace(frame, values=values)

    def _images(self, run: str) -> tuple[list[Any], str]:
        if self._END in run:
            return super()._images(run)
        # ASE takes nothing of a run that does not say that it ended.
        return super()._images(f"{run}{self._END}       0.00 s\n")

    def _steps(self, run: str) -> tuple[list[Frame], bool, str]:
        frames, torn, fault = super()._steps(run)
        return frames, torn or self._END not in run, fault


class CastepMotionReader(TextCodeReader):
    """Reads CASTEP's .md and .geom, whose energy is the free one, all in atomic units.

    The stress in the file has the kinetic part of moving atoms; ASE takes it out again.
    """

    form = "castep-md"
    parse = read_castep_md
    step = re.compile(r"^.*<-- E$", re.MULTILINE)

    def frame(self, atoms: Any, run: str) -> Frame:
        """Return the record of a step, its time in fs."""
        frame = super().frame(atoms, run)
        if "time" not in frame.values:
            return frame
        return replace(frame, values={**frame.values, "time": frame.values["time"] / fs})

    def _steps(self, run: str) -> tuple[list[Frame], bool, str]:
        frames, torn, fault = super()._steps(run)
        # A step ends with an empty line, without which ASE passes over it.
        return frames, torn or bool(run.rstrip("\n").rpartition("\n")[2].strip()), fault


class GpawReader(TextCodeReader):
    """Reads GPAW's text output; its energies are relative to atoms of a reference."""

    form = "gpaw-out"
    parse = read_gpaw_out
    step = re.compile(r"^Positions:$", re.MULTILINE)

    def frame(self, atoms: Any, run: str) -> Frame:
        """Return the record of a step, with the free energy."""
        frame = super().frame(atoms, run)
        values = dict(frame.values)
        extrapolated = values.pop("energy", None)
        parts = getattr(atoms.calc, "energy_contributions", {})
        if extrapolated is not None:
            values["energy_sigma0"] = extrapolated
            # A correction for dispersion is no part of the contributions.
            before = atoms.calc.parameters.get("uncorrected_energy", extrapolated)
            if "free energy" in parts:
                values["free_energy"] = parts["free energy"] + extrapolated - before
        return replace(frame, values=values)

    def _steps(self, run: str) -> tuple[list[Frame], bool, str]:
        frames, torn, fault = super()._steps(run)
        # A step without an energy ends ASE's list without a word.
        return frames, torn or len(self.step.findall(run)) > len(frames), fault

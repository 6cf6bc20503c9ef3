"""Molecular dynamics with ASE's integrators: a trajectory on disk that can be continued.

Beside the trajectory lies a small file with everything that the next step needs, to the last
digit, so that dynamics that were stopped and continued are the dynamics that were not.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import write_extxyz
from ase.md.verlet import VelocityVerlet
from pydantic import Field, PositiveFloat, PositiveInt

from matsciml_core.errors import ConfigError, DataError, MissingPackageError
from matsciml_core.files import write_json
from matsciml_core.interfaces.config import Config
from matsciml_tool_simulate.calculator import ModelCalculator
from matsciml_tool_simulate.drift import EnergyDrift

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

_FORMAT = "matsciml-dynamics"
_BAROSTAT = ("p_eps", "force_eps")
"""What ASE's barostat carries from step to step: the cell's momentum and the force on it."""
_SAVE_EVERY = 100
"""Fewest steps between two savings of the state."""
_HOTTEST = 1e5
"""Temperature, K, beyond which nothing is left of a crystal."""


class DynamicsConfig(Config):
    """How atoms move."""

    ensemble: Literal["nve", "nvt", "npt"] = "nve"
    """Constant energy (velocity Verlet); constant temperature (Langevin, BAOAB); constant
    temperature and pressure (the same with a cell whose volume changes)."""
    temperature: PositiveFloat = 300.0
    """Of the first velocities and of the thermostat, K."""
    timestep: PositiveFloat = 1.0
    """Time step, fs."""
    thermostat_time: PositiveFloat = 100.0
    """Time in which velocities forget, fs."""
    barostat_time: PositiveFloat = 1000.0
    """Time scale on which the volume fluctuates, fs."""
    pressure: float = 0.0
    """Pressure of ``npt``, GPa."""
    every: PositiveInt = 10
    """Steps between two frames of the trajectory."""
    seed: int = Field(default=0, ge=0)
    """Seed of velocities and thermostat."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where dynamics stand."""

    step: int
    time: float
    """ps."""
    temperature: float
    """K, from the kinetic energy of 3 N degrees of freedom."""
    potential: float
    """eV/atom."""
    total: float
    """Potential and kinetic energy, eV/atom."""
    volume: float
    """Å³; NaN without a cell."""


class Dynamics:
    """One trajectory.

    Args:
        atoms: ASE Atoms with a calculator; they are moved.
        config: How they move.
        path: The trajectory, extended XYZ; frames are added to it.
        model: What identifies the model, so that no other continues the trajectory.

    Raises:
        ConfigError: The volume is to change of what is not periodic.
        MissingPackageError: The integrator needs a later ASE.
    """

    def __init__(self, atoms: Any, config: DynamicsConfig, path: Path, model: str = "") -> None:
        """Set up the integrator for atoms that move already; see :meth:`start`."""
        self.atoms, self.config, self.path, self.model = atoms, config, path, model
        self.random = np.random.Generator(np.random.PCG64(config.seed))
        self.drift = EnergyDrift()
        self.step = 0
        self._integrator = _integrator(atoms, config, self.random)

    @classmethod
    def start(cls, atoms: Any, config: DynamicsConfig, path: Path, model: str = "") -> Self:
        """Draw velocities, and write the first frame of a new trajectory.

        Raises:
            ConfigError: See the class; or the trajectory cannot be written.
            DataError: The model's energy or forces are not finite.
        """
        random = np.random.Generator(np.random.PCG64([config.seed, 1]))
        _thermalise(atoms, config.temperature, random)
        dynamics = cls(atoms, config, path, model)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        except OSError as error:
            raise ConfigError(
                f"The trajectory '{path}' cannot be written ({error.strerror}); name another file."
            ) from error
        dynamics._record()
        dynamics.save()
        return dynamics

    @classmethod
    def resume(cls, path: Path, model: TrainedModel) -> Self:
        """Continue a trajectory where its state was last saved; later frames are cut off.

        Args:
            path: The trajectory.
            model: The model it was begun with, in the same precision.

        Raises:
            ConfigError: There is nothing to continue, or it is of another model.
        """
        state = _read_state(path)
        if state.get("model") != model.identity:
            raise ConfigError(
                f"The trajectory '{path}' was made with another model, or in another precision; "
                "name that one, or start a new trajectory."
            )
        try:
            dynamics = cls._restored(state, path, model)
            os.truncate(path, state["bytes"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"The state of the trajectory '{path}' is damaged ({error}); start a new one."
            ) from error
        return dynamics

    @classmethod
    def _restored(cls, state: Mapping[str, Any], path: Path, model: TrainedModel) -> Self:
        """Return dynamics that stand where a state says."""
        kept = state["atoms"]
        atoms = Atoms(numbers=kept["numbers"], positions=kept["positions"], pbc=kept["pbc"])
        atoms.cell[:] = kept["cell"]
        atoms.set_momenta(np.array(kept["momenta"]))  # type: ignore[no-untyped-call]
        config = DynamicsConfig.from_options(state["config"], where="dynamics")
        atoms.calc = ModelCalculator(model, stress=config.ensemble == "npt")
        dynamics = cls(atoms, config, path, model.identity)
        dynamics.step = state["step"]
        dynamics.drift = EnergyDrift(**state["drift"])
        dynamics.random.bit_generator.state = state["random"]
        for name in _BAROSTAT:
            if name in state["barostat"]:
                setattr(dynamics._integrator, name, float(state["barostat"][name]))
        return dynamics

    def run(self, steps: int, report: Callable[[Frame], None] | None = None) -> None:
        """Take steps, adding frames to the trajectory.

        Args:
            steps: How many more.
            report: Told of every frame.

        Raises:
            DataError: The trajectory blows up.
        """
        last = self.step + steps
        saved = self.step
        while self.step < last:
            until = min(last, (self.step // self.config.every + 1) * self.config.every)
            self._integrator.run(until - self.step)
            self.step = until
            if not until % self.config.every:
                frame = self._record()
                if report is not None:
                    report(frame)
            if self.step - saved >= _SAVE_EVERY or self.step == last:
                self.save()
                saved = self.step

    def save(self) -> None:
        """Write everything that the next step needs beside the trajectory."""
        atoms = self.atoms
        barostat = {
            name: float(getattr(self._integrator, name))
            for name in _BAROSTAT
            if hasattr(self._integrator, name)
        }
        write_json(
            state_file(self.path),
            {
                "format": _FORMAT,
                "version": 1,
                "model": self.model,
                "config": self.config.model_dump(mode="json"),
                "step": self.step,
                "bytes": self.path.stat().st_size,
                "atoms": {
                    "numbers": atoms.numbers.tolist(),
                    "positions": atoms.positions.tolist(),
                    "momenta": atoms.get_momenta().tolist(),
                    "cell": atoms.cell.array.tolist(),
                    "pbc": atoms.pbc.tolist(),
                },
                "barostat": barostat,
                "random": self.random.bit_generator.state,
                "drift": asdict(self.drift),
            },
        )

    def _record(self) -> Frame:
        """Add a frame to the trajectory."""
        frame = self._measure()
        if not frame.temperature < _HOTTEST:
            raise DataError(
                f"The dynamics have blown up: {frame.temperature:.3g} K at step {frame.step}; take "
                "a shorter time step, relax the structure first, or train the model on more like "
                f"it. The frames until then are in '{self.path}'."
            )
        self.drift.add(frame.time, frame.total)
        with self.path.open("a", encoding="utf-8") as stream:
            write_extxyz(stream, [self._snapshot(frame)])
        return frame

    def _measure(self) -> Frame:
        atoms, count = self.atoms, len(self.atoms)
        potential = float(atoms.get_potential_energy()) / count
        return Frame(
            step=self.step,
            time=self.step * self.config.timestep * 1e-3,
            temperature=float(atoms.get_temperature()),
            potential=potential,
            total=potential + float(atoms.get_kinetic_energy()) / count,
            volume=float(atoms.get_volume()) if atoms.cell.rank == 3 else float("nan"),
        )

    def _snapshot(self, frame: Frame) -> Any:
        copy = self.atoms.copy()
        copy.info = {
            "step": frame.step,
            "time_fs": frame.step * self.config.timestep,
            "temperature_K": round(frame.temperature, 4),
        }
        results = {
            "energy": self.atoms.get_potential_energy(),
            "forces": self.atoms.get_forces(apply_constraint=False),
        }
        if self.config.ensemble == "npt":
            results["stress"] = self.atoms.get_stress()
        copy.calc = SinglePointCalculator(copy, **results)  # type: ignore[no-untyped-call]
        return copy


def _thermalise(atoms: Any, temperature: float, random: np.random.Generator) -> None:
    """Draw velocities from the Maxwell distribution; the crystal as a whole stays at rest."""
    masses = atoms.get_masses()[:, None]
    momenta = np.sqrt(masses * units.kB * temperature) * random.normal(size=(len(atoms), 3))
    if len(atoms) > 1:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    atoms.set_momenta(momenta)


def state_file(path: Path) -> Path:
    """Return the file with the state of a trajectory."""
    return path.with_name(f"{path.name}.state.json")


def _read_state(path: Path) -> dict[str, Any]:
    file = state_file(path)
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"There is no trajectory '{path}' to continue: '{file.name}', which belongs to it, "
            "cannot be read."
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ConfigError(f"'{file}' is not the state of a trajectory.")
    if not path.is_file() or path.stat().st_size < int(state.get("bytes", 0)):
        raise ConfigError(
            f"The trajectory '{path}' is shorter than when it was left; start a new one."
        )
    return state


def _integrator(atoms: Any, config: DynamicsConfig, random: np.random.Generator) -> Any:
    """Return ASE's integrator of the ensemble."""
    timestep = config.timestep * units.fs
    if config.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    if config.ensemble == "npt" and not atoms.pbc.all():
        raise ConfigError(
            "Constant pressure needs a crystal that is periodic in all directions; choose nve or "
            "nvt."
        )
    try:
        from ase.md.langevinbaoab import LangevinBAOAB  # noqa: PLC0415 - not in earlier releases
    except ImportError as error:
        raise MissingPackageError(
            "A thermostat needs a later ASE; run: pip install --upgrade ase"
        ) from error
    settings: dict[str, Any] = {"T_tau": config.thermostat_time * units.fs}
    if config.ensemble == "npt":
        settings |= {
            "externalstress": -config.pressure * units.GPa,
            "hydrostatic": True,
            "P_tau": config.barostat_time * units.fs,
        }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using heuristic P_mass")
        return LangevinBAOAB(  # type: ignore[no-untyped-call]
            atoms, timestep, temperature_K=config.temperature, rng=random, **settings
        )

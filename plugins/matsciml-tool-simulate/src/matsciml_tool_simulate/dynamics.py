"""Molecular dynamics with ASE's integrators: a trajectory on disk that can be continued.

Beside the trajectory lies a small file with everything that the next step needs, to the last
digit, so that dynamics that were stopped and continued are the dynamics that were not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import write_extxyz
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from matsciml_core.errors import ConfigError, DataError, GeometryError
from matsciml_core.files import cut, open_appending_text, write_json, write_whole
from matsciml_core.guarded import read_json
from matsciml_core.interfaces.config import Config
from matsciml_tool_simulate.drift import EnergyDrift
from matsciml_tool_simulate.state import restore_atoms, store_atoms
from matsciml_util_potential.calculator import ModelCalculator
from matsciml_util_potential.held import carry_marks, hold

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

_FORMAT = "matsciml-dynamics"
_VERSION = 2
"""2: with masses, tags and what is held."""
_BAROSTAT = ("p_eps", "force_eps")
"""State of ASE's barostat between steps: the cell's momentum and the force on it."""
_SAVE_EVERY = 100
"""Fewest steps between two savings of the state."""
_HOTTEST = 1e5
"""Temperature, K, beyond which nothing is left of a crystal."""


class DynamicsConfig(Config):
    """Ensemble, time step and output of dynamics."""

    ensemble: Literal["nve", "nvt", "npt"] = "nve"
    """Constant energy (velocity Verlet); constant temperature (Langevin, BAOAB); constant
    temperature and pressure (the same with a cell whose volume changes)."""
    temperature: PositiveFloat = 300.0
    """Of the first velocities and of the thermostat, K."""
    timestep: PositiveFloat = 1.0
    """Time step, fs."""
    thermostat_time: PositiveFloat = 100.0
    """Relaxation time of the velocities, fs."""
    barostat_time: PositiveFloat = 1000.0
    """Time scale on which the volume fluctuates, fs."""
    pressure: float = 0.0
    """Pressure of ``npt``, GPa."""
    every: PositiveInt = 10
    """Steps between two frames of the trajectory."""
    seed: int = Field(default=0, ge=0)
    """Seed of velocities and thermostat."""
    max_spread: PositiveFloat | None = None
    """Spread of an ensemble's forces, eV/Å, beyond which the dynamics stop, see ``force_spread`` of
    ``ModelCalculator``; empty: they go on."""


@dataclass(frozen=True, kw_only=True)
class DynamicsStep:
    """Energies, temperature and volume after a step of dynamics."""

    index: int
    """0: before the first step."""
    time: float
    """ps."""
    temperature: float
    """K, from the kinetic energy of the degrees of freedom that are not held."""
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
        ConfigError: The volume is to change of what is not periodic or is held, or atoms are held
            in a way that the state cannot keep; or one model alone has no spread to stop at.
    """

    def __init__(self, atoms: Any, config: DynamicsConfig, path: Path, model: str = "") -> None:
        """Set up the integrator for atoms that move already; see :meth:`start`."""
        self.atoms, self.config, self.path, self.model = atoms, config, path, model
        self.random = np.random.Generator(np.random.PCG64(config.seed))
        self.drift = EnergyDrift()
        self.step = 0
        if config.max_spread is not None and not getattr(atoms.calc, "knows_spread", False):
            raise ConfigError(
                "The forces of a single model have no spread at which to stop; name an ensemble, "
                "which 'matsciml ensemble' makes of several runs."
            )
        hold(atoms)
        self._integrator = _integrator(atoms, config, self.random)

    @classmethod
    def start(cls, atoms: Any, config: DynamicsConfig, path: Path, model: str = "") -> Self:
        """Sample velocities, and write the first frame of a new trajectory.

        Args:
            atoms: As for the class; they get momenta.
            config: As for the class.
            path: As for the class; what lies there is replaced.
            model: As for the class.

        Raises:
            ConfigError: See the class; or the trajectory cannot be written.
            DataError: The model's energy or forces are not finite, or it does not know an element;
                a trajectory that lies at the path stays as it is.
        """
        # A stream of its own: the thermostat's does not depend on the number of atoms.
        random = np.random.Generator(np.random.PCG64([config.seed, 1]))
        hold(atoms)
        momenta = sample_momenta(
            atoms.get_masses(), config.temperature, random, free=not atoms.constraints
        )
        atoms.set_momenta(momenta)  # those of held atoms are set to zero
        dynamics = cls(atoms, config, path, model)
        # Before a trajectory that lies there is replaced: atoms may be none that the model takes.
        # What is computed is kept, so that the first frame does not cost twice.
        atoms.get_forces()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, b"")
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
            atoms = restore_atoms(state["atoms"])
            config = DynamicsConfig.from_options(state["config"], where="dynamics")
            atoms.calc = ModelCalculator(model, stress=config.ensemble == "npt")
            dynamics = cls(atoms, config, path, model.identity)
            dynamics.step = state["step"]
            dynamics.drift = EnergyDrift(**state["drift"])
            dynamics.random.bit_generator.state = state["random"]
            for name, value in state["barostat"].items():
                if name in _BAROSTAT:  # a file names no other attribute to set
                    setattr(dynamics._integrator, name, float(value))
            cut(path, state["bytes"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"The state of the trajectory '{path}' is damaged ({error}); start a new one."
            ) from error
        return dynamics

    @property
    def spread(self) -> float | None:
        """Spread of the forces at the last step, eV/Å; None of a single model."""
        spread: float | None = getattr(self.atoms.calc, "force_spread", None)
        return spread

    @property
    def is_uncertain(self) -> bool:
        """Whether the spread of the forces exceeds ``max_spread``, so that no step is taken."""
        limit = self.config.max_spread
        return limit is not None and self.spread is not None and self.spread > limit

    def run(self, steps: int, on_frame: Callable[[DynamicsStep], None] | None = None) -> None:
        """Take steps, adding frames to the trajectory.

        Where the models of an ensemble differ by more than ``max_spread``, it takes no further
        step: the frame at which they do is the last of the trajectory.

        Args:
            steps: How many more.
            on_frame: Called after every frame.

        Raises:
            DataError: The trajectory blows up.
        """
        last, saved = self.step + steps, self.step
        if self.config.max_spread is not None:
            self.atoms.get_forces()  # resumed dynamics have not calculated any yet
        while self.step < last and not self.is_uncertain:
            # To the next multiple of ``every``, wherever an earlier run has stopped.
            until = min(last, (self.step // self.config.every + 1) * self.config.every)
            if self.config.max_spread is not None:  # looked at after each step
                until = self.step + 1
            try:
                self._integrator.run(until - self.step)
            except (DataError, GeometryError) as error:
                raise DataError(
                    f"The dynamics have blown up between the steps {self.step} and {until}: "
                    f"{error} Take a shorter time step, or relax the structure first."
                ) from error
            self.step = until
            if not until % self.config.every or self.is_uncertain:
                frame = self._record()
                if on_frame is not None:
                    on_frame(frame)
            if self.step - saved >= _SAVE_EVERY or self.step == last or self.is_uncertain:
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
                "version": _VERSION,
                "model": self.model,
                "config": self.config.model_dump(mode="json"),
                "step": self.step,
                # What a kill leaves behind this length belongs to steps that are taken again.
                "bytes": self.path.stat().st_size,
                "atoms": store_atoms(atoms),
                "barostat": barostat,
                "random": self.random.bit_generator.state,
                "drift": asdict(self.drift),
            },
        )

    def _record(self) -> DynamicsStep:
        """Add a frame to the trajectory."""
        atoms, count = self.atoms, len(self.atoms)
        potential = float(atoms.get_potential_energy()) / count
        frame = DynamicsStep(
            index=self.step,
            time=self.step * self.config.timestep * 1e-3,  # fs to ps
            temperature=float(atoms.get_temperature()),
            potential=potential,
            total=potential + float(atoms.get_kinetic_energy()) / count,
            volume=float(atoms.get_volume()) if atoms.cell.rank == 3 else float("nan"),
        )
        if not frame.temperature < _HOTTEST:  # NaN fails every comparison
            raise DataError(
                f"The dynamics have blown up: {frame.temperature:.3g} K at step {self.step}; take "
                "a shorter time step, relax the structure first, or train the model on more like "
                f"it. The frames until then are in '{self.path}'."
            )
        self.drift.add(frame.time, frame.total)
        with open_appending_text(self.path) as stream:
            write_extxyz(stream, [self._frame_atoms(frame)])
        return frame

    def _frame_atoms(self, frame: DynamicsStep) -> Any:
        """Return the atoms with their results, as they are written to the trajectory."""
        atoms = carry_marks(self.atoms.copy())
        atoms.info = {
            "step": frame.index,
            "time_fs": frame.index * self.config.timestep,
            "temperature_K": round(frame.temperature, 4),
        }
        if self.spread is not None:
            atoms.info["force_spread"] = self.spread  # eV/Å, as energies and forces are
        results = {
            "energy": self.atoms.get_potential_energy(),
            "forces": self.atoms.get_forces(apply_constraint=False),
        }
        if self.config.ensemble == "npt":
            results["stress"] = self.atoms.get_stress()
        # Fixed results: writing must not ask the model once more.
        atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms


def state_file(path: Path) -> Path:
    """Return the file with the state of a trajectory.

    Args:
        path: The trajectory.
    """
    return path.with_name(f"{path.name}.state.json")


def sample_momenta(
    masses: NDArray[Any], temperature: float, random: np.random.Generator, *, free: bool = True
) -> NDArray[Any]:
    """Sample momenta from the Maxwell–Boltzmann distribution.

    Args:
        masses: ``(atoms,)``, atomic mass units (u), as ASE has them.
        temperature: K.
        random: Source of the random numbers.
        free: Whether nothing is held, so that the momentum in total is conserved and shall be zero.

    Returns:
        ``(atoms, 3)``, in ASE's unit √(u eV).
    """
    masses = masses[:, None]
    # Each component is normal with the variance m k T.
    momenta = np.sqrt(masses * units.kB * temperature) * random.normal(size=(len(masses), 3))
    if free and len(masses) > 1:  # a single atom would stand still
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    return momenta


def _read_state(path: Path) -> dict[str, Any]:
    """Read the state of a trajectory, and check that the trajectory belongs to it."""
    file = state_file(path)
    try:
        state = read_json(file, largest=None)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"There is no trajectory '{path}' to continue: '{file.name}', which belongs to it, "
            "cannot be read."
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ConfigError(f"'{file}' is not the state of a trajectory.")
    if state.get("version") != _VERSION:
        raise ConfigError(
            f"The state of the trajectory '{path}' was written by another release, which kept "
            "other things of the atoms; start a new one from its last frame."
        )
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
    settings: dict[str, Any] = {"T_tau": config.thermostat_time * units.fs}
    if config.ensemble == "npt":
        if not atoms.pbc.all():
            raise ConfigError(
                "Constant pressure needs a crystal that is periodic in all directions; choose nve "
                "or nvt."
            )
        if atoms.constraints:
            raise ConfigError(
                "Constant pressure scales the positions of all atoms, also of those that are held "
                "in place; choose nve or nvt, or take the marks out of the structure."
            )
        settings |= {
            "externalstress": -config.pressure * units.GPa,  # ASE's stress: positive in tension
            "hydrostatic": True,
            "P_tau": config.barostat_time * units.fs,
        }
    with warnings.catch_warnings():
        # The mass of the barostat follows from its time scale, which is what is asked for.
        warnings.filterwarnings("ignore", "Using heuristic P_mass")
        return LangevinBAOAB(
            atoms, timestep, temperature_K=config.temperature, rng=random, **settings
        )

"""Labels that cannot be right: wrong units, wrong signs, outliers. Looked for in every import.

Nothing is changed or left out here: each finding is a sentence with the likely cause, and numbers
and names to look at. What is found in a batch is a few sums, so memory stays flat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.energy_units import EnergyUnits
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.elements import formula
from matsciml_core.registry.targets import TargetInfo

LARGEST_STRESS = 1.0
"""eV/Å³, 160 GPa: more than any set of data but those of planets' cores has."""
_KBAR, _GPA = 0.1 / 160.21766208, 1 / 160.21766208
LARGEST_NET_FORCE = 0.05
"""eV/Å per atom: forces of a crystal add up to zero, but for the noise of grids."""
_ENERGY_SPREAD = 20.0
"""eV per atom between crystals of one composition; bonds have a few."""
_HARTREE = 27.211386245981
RANGES: Mapping[str, tuple[float, float]] = {
    "energy": (-200.0, 50.0),
    "forces": (-300.0, 300.0),
    "band_gap": (0.0, 25.0),
    "gap": (0.0, 25.0),
    "formation_energy": (-10.0, 10.0),
    "energy_above_hull": (-0.5, 10.0),
    "fermi_energy": (-60.0, 60.0),
    "efermi": (-60.0, 60.0),
    "relative_energy": (-50.0, 50.0),
    "bulk_modulus": (0.0, 800.0),
    "shear_modulus": (-100.0, 800.0),
}
"""Quantity → range in which its values lie, in eV, eV/atom, eV/Å or GPa; a total energy per atom.

Of labels whose name is or ends with the quantity. All-electron energies of heavy elements lie
outside, and are told by that."""
_NAMED = 3
"""Outliers that are named."""
_MOST_GROUPS = 10_000
"""Compositions that are followed; what comes later is not compared with volumes."""


@dataclass
class _Outliers:
    """Values of one label outside its range."""

    count: int = 0
    total: int = 0
    names: list[str] = field(default_factory=list)
    farthest: float = 0.0


@dataclass
class _Group:
    """Sums over crystals of one composition: volume v and energy e per atom, and pressure p."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    """Number, Σv, Σe, Σp."""
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """Σv², Σve, Σvp."""
    energies: tuple[float, float] = (np.inf, -np.inf)


def range_of(info: TargetInfo) -> tuple[float, float] | None:
    """Return the range in which a label's values lie; None where it is no known quantity.

    Args:
        info: The label.
    """
    if info.kind == "energy":
        return RANGES["energy"]
    if info.kind == "forces":
        return RANGES["forces"]
    if info.kind == "stress":
        return (-LARGEST_STRESS, LARGEST_STRESS)
    if info.kind != "scalar" or info.unit not in ("eV", "eV/atom", "GPa"):
        return None
    names = (name for name in RANGES if info.name == name or info.name.endswith(f"_{name}"))
    longest = max(names, key=len, default=None)
    return None if longest in (None, "energy", "forces") else RANGES[longest or ""]


class Plausibility:
    """Looks at crystals with their labels, batch by batch.

    Args:
        targets: The labels.
    """

    def __init__(self, targets: Mapping[str, TargetInfo]) -> None:
        """Find out which labels can be judged."""
        self._infos = {name: info for name, info in targets.items() if range_of(info)}
        kinds = {info.kind: name for name, info in targets.items()}
        self._energy, self._forces = kinds.get("energy"), kinds.get("forces")
        self._stress = kinds.get("stress")
        self._units = EnergyUnits(self._energy, self._forces) if self._energy else None
        self._outliers: dict[str, _Outliers] = defaultdict(_Outliers)
        self._groups: dict[bytes, _Group] = {}
        self._crystals = self._molecules = 0
        self._net: list[str] = []
        self._net_count = self._net_total = 0

    def add(self, batch: CrystalBatch) -> None:
        """Take in a batch.

        Args:
            batch: Crystals, on the CPU.
        """
        counts = batch.atoms_per_crystal.numpy()
        self._crystals += len(counts)
        self._molecules += int((~batch.pbc.numpy().any(axis=1)).sum())
        owner = batch.crystal_index.numpy()
        for name, info in self._infos.items():
            values = batch.targets[name].numpy()
            values = values / counts if info.kind == "energy" else values
            self._count(name, info, values.reshape(len(values), -1), owner, batch.ids)
        self._add_forces(batch, counts)
        self._add_groups(batch, counts)
        if self._units is not None:
            self._units.add(batch)

    def _count(
        self,
        name: str,
        info: TargetInfo,
        values: NDArray[Any],
        owner: NDArray[Any],
        ids: Sequence[str],
    ) -> None:
        low, high = range_of(info) or (-np.inf, np.inf)
        with np.errstate(invalid="ignore"):
            outside = ((values < low) | (values > high)).any(axis=1)
        found = self._outliers[name]
        rows = np.flatnonzero(outside)
        crystals = np.unique(owner[rows] if info.per_atom else rows)
        found.total += len(ids)
        found.count += len(crystals)
        found.names += [ids[index] for index in crystals[: _NAMED - len(found.names)].tolist()]
        if len(rows):
            farthest = float(np.nanmax(np.abs(values[rows])))
            found.farthest = max(found.farthest, farthest)

    def _add_forces(self, batch: CrystalBatch, counts: NDArray[Any]) -> None:
        """Count crystals whose forces do not add up to zero; held atoms may carry the rest."""
        if self._forces is None or "fixed" in batch.site_properties:
            return
        forces = batch.targets[self._forces].numpy()
        starts = counts.cumsum() - counts
        net = np.linalg.norm(np.add.reduceat(forces, starts), axis=1) / counts
        self._net_total += int(np.isfinite(net).sum())
        with np.errstate(invalid="ignore"):
            loud = np.flatnonzero(net > LARGEST_NET_FORCE)
        self._net_count += len(loud)
        self._net += [batch.ids[index] for index in loud[: _NAMED - len(self._net)].tolist()]

    def _add_groups(self, batch: CrystalBatch, counts: NDArray[Any]) -> None:
        """Add up volume, energy and pressure by composition."""
        if self._energy is None:
            return
        energies = batch.targets[self._energy].numpy() / counts
        volumes = np.abs(np.linalg.det(batch.cell.numpy())) / counts
        pressures = np.zeros(len(counts))
        if self._stress is not None:
            # Minus a third of the trace: positive under compression.
            stress = batch.targets[self._stress].numpy()
            pressures = -np.trace(stress, axis1=1, axis2=2) / 3
        numbers = np.split(batch.atomic_numbers.numpy(), counts.cumsum()[:-1])
        usable = np.isfinite(energies) & np.isfinite(pressures) & batch.pbc.numpy().all(axis=1)
        for index in np.flatnonzero(usable).tolist():
            key = np.sort(numbers[index]).astype(np.uint8).tobytes()
            if key not in self._groups and len(self._groups) >= _MOST_GROUPS:
                continue
            group = self._groups.setdefault(key, _Group())
            v, e, p = volumes[index], energies[index], pressures[index]
            group.sums += (1, v, e, p)
            group.products += (v * v, v * e, v * p)
            group.energies = (min(group.energies[0], e), max(group.energies[1], e))

    def remarks(self) -> list[str]:
        """Return what looks wrong, each as a sentence with the likely cause; nothing: nothing."""
        found = [self._outlier(name, outliers) for name, outliers in self._outliers.items()]
        units = [] if self._units is None else self._units.remarks()
        return [text for text in (*found, *self._physics(), *units) if text]

    def _outlier(self, name: str, outliers: _Outliers) -> str:
        if not outliers.count:
            return ""
        info = self._infos[name]
        low, high = range_of(info) or (0.0, 0.0)
        per = "eV/atom" if info.kind == "energy" else info.unit
        return (
            f"{name}: {outliers.count:,} of {outliers.total:,} crystals lie outside "
            f"{low:g} to {high:g} {per}, up to {outliers.farthest:.4g}, '{outliers.names[0]}' for "
            f"example.{self._cause(info, outliers)}"
        )

    def _cause(self, info: TargetInfo, outliers: _Outliers) -> str:
        if info.kind != "stress":
            return " --reject-outliers leaves them out."
        ratio = float(np.median(self._slopes()[1] or [np.nan]))
        # A stress in GPa is 160 times, in kbar 1,600 times as large as −∂E/∂V says in eV/Å³.
        for unit, factor in (("GPa", _GPA), ("kbar", _KBAR)):
            if 0.3 < ratio * factor < 3:
                return f" It looks like {unit}, by the slope of the energy over the volume."
        gpa, kbar = outliers.farthest * _GPA, outliers.farthest * _KBAR
        return f" It looks like GPa or kbar: they would be up to {gpa:.3g} or {kbar:.3g} eV/Å³."

    def _physics(self) -> list[str]:
        remarks = []
        if self._molecules:
            remarks.append(
                f"{self._molecules:,} of {self._crystals:,} structures have no cell, or are not "
                "periodic: they are kept as molecules."
            )
        if self._net_count > 0.05 * max(self._net_total, 1):
            remarks.append(
                f"{self._forces}: of {self._net_count:,} of {self._net_total:,} crystals they do "
                f"not add up to zero, '{self._net[0]}' for example; were forces on held atoms set "
                "to zero, or atoms and forces sorted differently?"
            )
        remarks += [self._sign(), self._spread()]
        return remarks

    def _sign(self) -> str:
        """Compare the pressure with the slope of the energy over the volume: p = −∂E/∂V."""
        signs = self._slopes()[0] if self._stress is not None else []
        if 2 * sum(signs) >= len(signs):
            return ""
        return (
            f"{self._stress}: in {len(signs) - sum(signs)} of {len(signs)} compositions the "
            "pressure has the opposite sign of −∂E/∂V; it looks like the opposite sign: declare "
            ":vasp where compression is positive, or :ase where tension is."
        )

    def _slopes(self) -> tuple[list[bool], list[float]]:
        """Return whether pressure and slope agree, and their ratio, for each composition."""
        signs, ratios = [], []
        for group in self._groups.values():
            count, v, e, p = group.sums
            vv, ve, vp = group.products
            spread = vv / count - (v / count) ** 2
            if count < 4 or spread < (1e-3 * v / count) ** 2:
                continue
            # The slope of a straight line is the derivative at the mean volume, and there the mean
            # of the pressure, nearly linear in the volume, is the pressure.
            slope = (ve - v * e / count) / count / spread
            pressure = p / count
            change = abs((vp - v * p / count) / count) / np.sqrt(spread)
            # Near the minimum of the energy both vanish, and their signs say nothing.
            if abs(pressure) > 0.2 * change:
                signs.append(bool(slope * pressure < 0))
                ratios.append(float(abs(pressure / slope)) if slope else np.inf)
        return signs, ratios

    def _spread(self) -> str:
        """Look for energies that differ by more than bonds do, within a composition."""
        wide = [
            (group.energies[1] - group.energies[0], key)
            for key, group in self._groups.items()
            if group.energies[1] - group.energies[0] > _ENERGY_SPREAD
        ]
        if not wide:
            return ""
        spread, key = max(wide)
        return (
            f"{self._energy}: {len(wide):,} compositions have energies that differ by more than "
            f"{_ENERGY_SPREAD:g} eV/atom, {formula(key)} by {spread:.4g}; is the unit right, and "
            "are all of one method and one reference?"
        )

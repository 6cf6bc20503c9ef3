"""Labels as users declare them on the command line: ``energy=eV``, ``gap=band_gap:eV``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matsciml_core.data.readers.stress import UNITS as STRESS_UNITS
from matsciml_core.data.readers.stress import StressForm, parse_stress, require_symmetric
from matsciml_core.errors import ConfigError, DataError, UnitError
from matsciml_core.registry.targets import Grid, TargetInfo, TargetKind
from matsciml_core.registry.units import UNITS, canonical_unit

_NAME = re.compile(r"([a-z][a-z0-9_]*)(?:\[([^\]]*)\])?")
_GRID = re.compile(r"([^:\s]+):([^:\s]+):(\d+)\s*(.*)")
_CLASSES = re.compile(r"class(?:\((\d+)\))?")
_HARTREE = 27.211386245981
"""eV; CODATA 2022."""
_BOHR = 0.529177210544
"""Å; CODATA 2022."""
CONVERTED: dict[str, tuple[str, float]] = {
    "mev": ("eV", 1e-3),
    "mev/atom": ("eV/atom", 1e-3),
    "mev/a": ("eV/Å", 1e-3),
    "mev/å": ("eV/Å", 1e-3),
    "ha": ("eV", _HARTREE),
    "hartree": ("eV", _HARTREE),
    "ry": ("eV", _HARTREE / 2),
    "ha/bohr": ("eV/Å", _HARTREE / _BOHR),
    "kj/mol": ("eV", 0.010364269656262),
    "kcal/mol": ("eV", 0.043364104241800),
}
"""Units that are converted where users declare them: canonical unit and factor."""
_CONVERTED_SHOWN = "meV, meV/atom, meV/Å, Ha, Ry, Ha/bohr, kJ/mol, kcal/mol"
_MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "none", "null"})
_SHOWN = 40
"""Most characters of a value that a sentence quotes."""
_TRUE, _FALSE = frozenset({"true", "t", "yes"}), frozenset({"false", "f", "no"})
_ENERGIES = frozenset({"energy", "total_energy", "free_energy"})
_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


@dataclass(frozen=True, kw_only=True)
class LabelColumn:
    """A label, and where and in which unit a source has it."""

    info: TargetInfo
    column: str
    factor: float = 1.0
    """What a value is multiplied by to be in the label's unit."""
    form: StressForm | None = None
    """Of a stress: unit, sign and order of the source."""

    @property
    def conversion(self) -> str:
        """What is done to the values, for the summary of an import; empty: nothing."""
        if self.form is not None and self.form != StressForm(unit=self.form.unit, factor=1.0):
            return self.form.title
        return "" if self.factor == 1.0 else f"multiplied by {self.factor:.6g} → {self.info.unit}"

    def read(
        self, values: dict[str, Any], num_atoms: int, cell: ArrayLike | None = None
    ) -> Any | None:
        """Return the label of a record; None where it is missing.

        Args:
            values: What the record has, by column.
            num_atoms: Atoms of the crystal.
            cell: Lattice vectors as rows, ``(3, 3)``, Å, by whose volume a virial is divided.

        Raises:
            DataError: The value is no number, no class, or has the wrong number of values.
        """
        value = values.get(self.column)
        if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
            return None
        if self.info.is_class:
            return self._class(value)
        if self.form is not None:
            return self.form.read(self._array(value), np.zeros((3, 3)) if cell is None else cell)
        return self._number(value, num_atoms)

    def _class(self, value: Any) -> int | None:
        text = str(value).strip().lower()
        number = float(text in _TRUE) if text in _TRUE | _FALSE else self._array(value).item()
        if np.isnan(number):
            return None
        classes = self.info.classes
        if number != int(number) or not 0 <= number < classes:
            raise DataError(
                f"The label '{self.info.name}' is no class from 0 to {classes - 1}, as declared."
            )
        return int(number)

    def _number(self, value: Any, num_atoms: int) -> Any:
        if type(value) is float and not self.info.value_shape(num_atoms):
            return value * self.factor  # as below, without an array of one number
        array = self._array(value) * self.factor
        if self.info.symmetric and not self.info.per_atom and array.size == 6:
            array = array.ravel()[_VOIGT]  # xx, yy, zz, yz, xz, xy, as ASE orders them
        shape = self.info.value_shape(num_atoms)
        if array.size != math.prod(shape):
            raise DataError(f"The label '{self.info.name}' has a wrong number of values.")
        # As many numbers in other rows, (3, atoms) for (atoms, 3), would be shuffled.
        axes = [size for size in array.shape if size > 1]
        if self.info.per_atom and num_atoms > 1 < len(axes) and axes[0] != num_atoms:
            raise DataError(
                f"The label '{self.info.name}' has the shape {array.shape}, where {shape} is "
                "expected; exchange rows and columns."
            )
        if self.info.symmetric and not self.info.per_atom and shape == (3, 3):
            return require_symmetric(self.info.name, array.reshape(shape))
        return array.reshape(shape) if shape else array.item()

    def _array(self, value: Any) -> NDArray[np.float64]:
        # A key without a value is true, and a truth value is no energy.
        flag = isinstance(value, bool | np.bool_) and not self.info.is_class
        try:
            if not flag or self.info.unit == "dimensionless":
                return _numbers(value)
        except (TypeError, ValueError):
            pass
        said = repr(value) if len(repr(value)) <= _SHOWN else f"{repr(value)[:_SHOWN]}…"
        raise DataError(f"The label '{self.info.name}' is {said}, where a number is expected.")


def _numbers(value: Any) -> NDArray[np.float64]:
    """Return a value as an array; None in a list, also for a row of it, is NaN."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        if not isinstance(value, list) or None not in value:
            raise
        shape = np.shape(next(row for row in value if row is not None))
        rows = [np.full(shape, np.nan) if row is None else row for row in value]
        return np.asarray(rows, dtype=np.float64)


def parse_label(text: str, *, per_atom: bool = False) -> LabelColumn:
    """Return the label that ``NAME=UNIT`` or ``NAME=COLUMN:UNIT`` declares.

    ``class`` is a label of two classes, ``class(7)`` one of seven. ``energy`` in eV is a total
    energy and ``forces`` in eV/Å are its forces, so that a model can learn them together. A shape
    may follow the name: ``dipole[3]`` is a vector, ``dielectric[3,3]`` a matrix,
    ``dos[-6:6:200 eV]`` has a number at each of 200 points from −6 to 6 eV, and
    ``moments[atoms,3]`` a vector per atom. ``symmetric`` and ``extensive`` stand behind the axes.
    A stress says its unit, whose sign it has and in which order six numbers come,
    ``stress=kbar:vasp:xx,yy,zz,xy,yz,zx``; see :mod:`matsciml_core.data.readers.stress`.

    Args:
        text: The declaration.
        per_atom: Whether there is one value per atom; of forces it is known.

    Raises:
        ConfigError: The text has another form.
        UnitError: The unit is unknown, or contradicts the name.

    >>> parse_label("gap=band_gap:meV").factor
    0.001
    """
    left, equals, rest = text.partition("=")
    column, colon, unit = rest.rpartition(":")
    match = _NAME.fullmatch(left.strip())
    if not equals and _NAME.fullmatch(text.strip()):
        raise ConfigError(
            f"'--label {text}' names no unit, and the format of these files defines none for it; "
            f"write {text}=UNIT, for example energy=eV, or {text}=COLUMN:UNIT."
        )
    if not equals or match is None or (colon and not column.strip()):
        raise ConfigError(
            f"'--label {text}' is not understood; write NAME=UNIT, for example energy=eV, or "
            "NAME=COLUMN:UNIT; names have lower-case letters, digits and '_'."
        )
    name, unit = match[1], unit.strip()
    stress = None if match[2] else parse_stress(name, rest.split(":"))
    if stress is not None:
        form, words = stress
        # What is stored is a stress, also where it is called by the virial that it was made of.
        info = TargetInfo(name=name.replace("virial", "stress"), kind="stress", unit="eV/Å³")
        return LabelColumn(info=info, column=":".join(words).strip() or name, form=form)
    if match[2] is None:
        info, factor = describe_label(name, unit, per_atom=per_atom)
    else:
        unit, factor = _canonical(name, unit)
        shape = {"per_atom": per_atom, **_shape(text, match[2])}
        info = TargetInfo(**{"kind": "scalar", **shape, "name": name, "unit": unit})
    return LabelColumn(info=info, column=column.strip() or name, factor=factor)


def declaration(info: TargetInfo, column: str = "", unit: str = "") -> str:
    """Return what declares a label on the command line; :func:`parse_label` reads it.

    A value per atom of a class says so with ``--per-atom``, which stands beside it.

    Args:
        info: The label.
        column: What the file calls it; empty: like the label.
        unit: What the file has it in, ``kbar:vasp`` for example; empty: the label's unit.

    >>> declaration(TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å"), "mu")
    'dipole[3]=mu:e·Å'
    """
    named = {
        "energy": info.name in _ENERGIES,
        "forces": info.name.startswith("force"),
        "stress": "stress" in info.name,
    }
    axes: list[str] = []
    if not info.is_class and not named.get(info.kind, False):
        axes = [
            *(["atoms"] if info.per_atom else []),
            *(["3"] * info.rank),
            *(["symmetric"] if info.symmetric else []),
            *(["extensive"] if info.extensive else []),
        ]
    grid = info.grid
    if grid is not None:
        axes = [f"{grid.start!r}:{grid.stop!r}:{grid.points} {grid.unit}"]
    count = info.num_classes
    words = unit or (f"class({count})" if count else info.unit)
    return (
        info.name
        + (f"[{','.join(axes)}]" if axes else "")
        + f"={f'{column}:' if column and column != info.name else ''}{words}"
    )


def _shape(text: str, axes: str) -> dict[str, Any]:
    """Return the fields of a declaration that follow from the shape behind a name.

    Args:
        text: The declaration, for error messages.
        axes: What stands between the brackets.

    Raises:
        ConfigError: It is no shape.
        UnitError: The unit of a grid is unknown.
    """
    entries = [entry.strip() for entry in axes.split(",")]
    fields: dict[str, Any] = {}
    if entries[0] == "atoms":
        fields["per_atom"], entries = True, entries[1:]
    while entries and entries[-1] in ("symmetric", "extensive"):
        fields[entries.pop()] = True
    grid = _GRID.fullmatch(entries[0]) if len(entries) == 1 else None
    try:
        if grid is not None:
            start, stop, points, unit = grid.groups()
            axis = Grid(points=int(points), start=float(start), stop=float(stop), unit=unit)
            return {"kind": "grid", "grid": axis, **fields}
        if any(entry != "3" for entry in entries):
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"'--label {text}' has a shape that is not understood; write NAME[3] for a vector, "
            "NAME[3,3] for a matrix, NAME[-6:6:200 eV] for 200 points of an axis, and 'atoms' in "
            "front, as in NAME[atoms,3], for a value per atom."
        ) from None
    return {"kind": "tensor", "rank": len(entries), **fields} if entries else fields


def describe_label(name: str, unit: str, *, per_atom: bool = False) -> tuple[TargetInfo, float]:
    """Return the declaration of a label, and what its values are multiplied by to have that unit.

    Args:
        name: Of the label; with the unit it decides whether it is an energy, forces or a stress.
        unit: As users write it: a canonical one, one that is converted, or ``class(7)``.
        per_atom: Whether there is one value per atom; of forces it is known.

    Raises:
        UnitError: The unit is unknown, or contradicts the name.
    """
    classes = _CLASSES.fullmatch(unit)
    if classes is not None:
        count = int(classes[1] or 2)
        kind: TargetKind = "binary" if count == 2 else "multiclass"
        number = None if count == 2 else count
        info = TargetInfo(name=name, kind=kind, unit="class", num_classes=number, per_atom=per_atom)
        return info, 1.0
    canonical, factor = _canonical(name, unit)
    kind = _kind(name, canonical)
    _check_kind(name, canonical, kind)
    return TargetInfo(name=name, kind=kind, unit=canonical, per_atom=per_atom), factor


def _canonical(name: str, unit: str) -> tuple[str, float]:
    """Return the unit in which a label is kept, and what its values are multiplied by."""
    converted, factor = CONVERTED.get(unit.lower(), (unit, 1.0))
    try:
        return canonical_unit(converted, label=name), factor
    except UnitError:
        units = [other for other in UNITS if other != "class"]
        if unit.partition(":")[0].lower() in STRESS_UNITS:
            raise UnitError(
                f"'{name}={unit}' has a unit of stress; label the stress so, as in stress={unit}, "
                "and forces in eV/A, energies in eV."
            ) from None
        raise UnitError(
            f"'{name}={unit}' has a unit that is not known; use one of {', '.join(units)}, "
            f"one that is converted ({_CONVERTED_SHOWN}), or class, class(7), … for classes."
        ) from None


def _check_kind(name: str, unit: str, kind: TargetKind) -> None:
    """Reject a unit that contradicts the name, which is nearly always a slip of the pen."""
    if name.startswith("force") and kind != "forces":
        raise UnitError(
            f"'{name}={unit}' cannot be forces, which are in eV/A (or meV/A, Ha/bohr); "
            "correct the unit, or give the label another name."
        )
    if name in _ENERGIES and unit not in ("eV", "eV/atom"):
        raise UnitError(
            f"'{name}={unit}' cannot be an energy, which is in eV or eV/atom (or meV, Ha, "
            "Ry, kJ/mol, kcal/mol); correct the unit, or give the label another name."
        )


def _kind(name: str, unit: str) -> TargetKind:
    if unit == "eV" and name in _ENERGIES:
        return "energy"
    if unit == "eV/Å" and name.startswith("force"):
        return "forces"
    return "stress" if unit == "eV/Å³" and "stress" in name else "scalar"

"""Magnetic CIF: the moments of all atoms, against structures whose symmetry spglib finds."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.readers.cif import joined_cif
from matsciml_core.data.readers.frames import Frame

Lattice = pytest.importorskip("pymatgen.core.lattice").Lattice
spglib = pytest.importorskip("spglib")

HEXAGONAL = (5.0, 5.0, 4.0, 90.0, 90.0, 120.0)
KAGOME = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.5, 0.5, 0.0]])
_ANGLES = np.radians([10.0, 130.0, -110.0])
SPIRAL = 2.0 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES), 0.0 * _ANGLES], axis=1)
"""Moments of 2 μB in the plane, 120° apart, which turn with the lattice."""
MONOCLINIC = (5.0, 6.0, 7.0, 90.0, 105.0, 90.0)
SCREW = np.array([[0.1, 0.2, 0.3], [-0.1, 0.7, -0.3]])
AXIS = np.diag([-1.0, 1.0, -1.0])
CANTED = np.array([0.5, 1.5, -1.0])
TRICLINIC = (5.0, 5.5, 6.0, 80.0, 95.0, 100.0)


def operation(rotation: np.ndarray, shift: np.ndarray, reversal: int) -> str:
    """Return an operation as a magnetic CIF has it."""
    rows = []
    for row, step in zip(rotation, shift, strict=True):
        terms = [f"{int(n):+d}*{axis}" for n, axis in zip(row, "xyz", strict=True) if n]
        rows.append("".join(terms).replace("1*", "") + f"{step:+.10f}")
    return ",".join(rows) + f",{reversal:+d}"


def magnetic_cif(parameters: tuple[float, ...], sites, moments, operations) -> str:
    """Return a magnetic CIF; moments along the lattice vectors' directions."""
    keys = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"_cell_{key} {value}" for key, value in zip(keys, parameters, strict=True)]
    lines += [
        "loop_",
        "_space_group_symop_magn_operation.id",
        "_space_group_symop_magn_operation.xyz",
    ]
    lines += [f"{number} {text}" for number, text in enumerate(operations, 1)]
    lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [f"_atom_site_fract_{axis}" for axis in "xyz"]
    lines += [f"Mn{k} Mn {x:.10f} {y:.10f} {z:.10f}" for k, (x, y, z) in enumerate(sites)]
    lines += ["loop_", "_atom_site_moment.label"]
    lines += [f"_atom_site_moment.crystalaxis_{axis}" for axis in "xyz"]
    lines += [f"Mn{k} {x:.6f} {y:.6f} {z:.6f}" for k, (x, y, z) in enumerate(moments)]
    return "\n".join(["data_x", *lines, ""])


def along_axes(parameters: tuple[float, ...], moments: np.ndarray) -> np.ndarray:
    """Return the components of Cartesian moments along a, b and c."""
    cell = Lattice.from_parameters(*parameters).matrix
    return moments @ np.linalg.inv(cell / np.linalg.norm(cell, axis=1, keepdims=True))


def frame_of(text: str) -> Frame:
    record = joined_cif(text, "x", {})
    assert isinstance(record, Frame), record
    return record


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize(
    ("parameters", "sites", "moments"),
    [
        (HEXAGONAL, KAGOME, SPIRAL),
        (MONOCLINIC, SCREW, np.stack([CANTED, AXIS @ CANTED])),
        (MONOCLINIC, SCREW, np.stack([CANTED, -AXIS @ CANTED])),
        (TRICLINIC, SCREW * [1, 0, 1], np.stack([CANTED, -CANTED])),
    ],
)
def test_one_moment_of_each_orbit_gives_all(parameters, sites, moments):
    cell = Lattice.from_parameters(*parameters).matrix
    found = spglib.get_magnetic_symmetry((cell, sites, [25] * len(sites), moments))
    assert found is not None
    reversals = 1 - 2 * found["time_reversals"].astype(int)
    operations = [
        operation(*one)
        for one in zip(found["rotations"], found["translations"], reversals, strict=True)
    ]
    assert len(operations) > 1
    listed = along_axes(parameters, moments)
    frame = frame_of(magnetic_cif(parameters, sites[:1], listed[:1], operations))
    assert len(frame.atomic_numbers) == len(sites)
    steps = frame.positions @ np.linalg.inv(cell)
    for place, moment in zip(sites, moments, strict=True):
        apart = steps - place
        (index,) = np.flatnonzero((np.abs(apart - np.round(apart)) < 1e-4).all(axis=1))
        np.testing.assert_allclose(frame.values["magmom"][index], moment, atol=1e-4)


def test_a_site_that_is_not_listed_has_no_moment():
    text = magnetic_cif(TRICLINIC, SCREW, [[0.0, 0.0, 1.0]], ["x,y,z,+1"])
    np.testing.assert_allclose(
        np.linalg.norm(frame_of(text).values["magmom"], axis=1), [1.0, 0.0], atol=1e-9
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2 -x,-y,-z,+1", "2 -x,-y,-z,-1", "none that its symmetry allows"),
        ("symop_magn_operation.", "symop_operation_", "without time reversal"),
        ("moment.crystalaxis", "moment.Cartn", "other components"),
        ("\nMn0 0.000000 0", "\nMn7 0.000000 0", "of the site 'Mn7'"),
    ],
)
def test_what_cannot_be_right_is_rejected(old, new, words):
    text = magnetic_cif(TRICLINIC, np.zeros((1, 3)), [[0.0, 0.0, 1.0]], ["x,y,z,+1", "-x,-y,-z,+1"])
    assert np.linalg.norm(frame_of(text).values["magmom"]) == pytest.approx(1.0)
    assert old in text
    changed = text.replace(old, new)
    if "magn" in old:
        changed = changed.replace(",+1", "")
    record = joined_cif(changed, "x", {})
    assert words in str(record), record

"""Labels are what a person says they are, in the unit that they are in."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.readers.labels import declaration, parse_label
from matsciml_core.errors import ConfigError, DataError, UnitError
from matsciml_core.registry.targets import Grid, TargetInfo


@pytest.mark.parametrize(
    ("text", "kind", "unit", "column", "per_atom"),
    [
        ("energy=eV", "energy", "eV", "energy", False),
        ("energy=E0:eV", "energy", "eV", "E0", False),
        ("forces=eV/A", "forces", "eV/Å", "forces", True),
        ("stress=eV/A^3", "stress", "eV/Å³", "stress", False),
        ("gap=band_gap:eV", "scalar", "eV", "band_gap", False),
        ("number=spacegroup.number:1", "scalar", "dimensionless", "spacegroup.number", False),
        ("metal=is_metal:class", "binary", "class", "is_metal", False),
        ("system=class(7)", "multiclass", "class", "system", False),
        ("e_form=meV/atom", "scalar", "eV/atom", "e_form", False),
    ],
)
def test_declarations_are_understood(text, kind, unit, column, per_atom):
    label = parse_label(text)
    assert (label.info.kind, label.info.unit) == (kind, unit)
    assert (label.column, label.info.per_atom) == (column, per_atom)


GRID = Grid(points=200, start=-6.0, stop=6.0, unit="eV")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dipole[3]=e*A", {"kind": "tensor", "rank": 1, "unit": "e·Å"}),
        ("dielectric[3,3]=1", {"kind": "tensor", "rank": 2, "unit": "dimensionless"}),
        (
            "dielectric[3, 3, symmetric]=eps:1",
            {"kind": "tensor", "rank": 2, "unit": "dimensionless", "symmetric": True},
        ),
        ("piezo[3,3,3]=C/m^2", {"kind": "tensor", "rank": 3, "unit": "C/m²"}),
        ("moments[atoms,3]=muB", {"kind": "tensor", "rank": 1, "unit": "μB", "per_atom": True}),
        ("charge[atoms]=e", {"kind": "scalar", "unit": "e", "per_atom": True}),
        ("magnetisation[extensive]=muB", {"kind": "scalar", "unit": "μB", "extensive": True}),
        (
            "dos[-6:6:200 eV,extensive]=1/eV",
            {"kind": "grid", "grid": GRID, "unit": "1/eV", "extensive": True},
        ),
    ],
)
def test_a_shape_may_follow_the_name(text, expected):
    info = parse_label(text).info
    assert info == TargetInfo(name=info.name, **expected)
    assert text.startswith(f"{info.name}[")


@pytest.mark.parametrize("shape", ["", "2", "3,4", "x", "atoms,x", "a:b:c", "-6:6:200 eV,3", "3;3"])
def test_other_shapes_are_explained(shape):
    with pytest.raises(ConfigError, match=r"write NAME\[3\] for a vector"):
        parse_label(f"x[{shape}]=1")


def test_values_come_in_their_shape():
    values = {"dielectric": list(range(9)), "moments": np.arange(6.0), "dos": np.arange(4)}
    matrix = parse_label("dielectric[3,3]=1").read(values, 2)
    np.testing.assert_array_equal(matrix, np.arange(9).reshape(3, 3))
    assert parse_label("moments[atoms,3]=muB").read(values, 2).shape == (2, 3)
    assert parse_label("dos[0:3:4 eV]=1/eV").read(values, 2).shape == (4,)
    with pytest.raises(DataError, match="'dos' has a wrong number of values"):
        parse_label("dos[0:3:5 eV]=1/eV").read(values, 2)


@pytest.mark.parametrize("text", ["energy", "=eV", "Energy=eV", "a b=eV", "energy=:eV"])
def test_what_is_no_declaration_is_explained(text):
    with pytest.raises(ConfigError, match=r"write (NAME|energy)=UNIT"):
        parse_label(text)


def test_an_unknown_unit_is_refused():
    with pytest.raises(UnitError, match=r"length=furlong.*one of eV, .*converted \(meV, .*class"):
        parse_label("length=furlong")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("forces=eV", r"cannot be forces, which are in eV/A"),
        ("force_dft=eV/A^3", r"cannot be forces"),
        ("energy=eV/A", r"cannot be an energy, which is in eV or eV/atom"),
        ("total_energy=K", r"cannot be an energy"),
    ],
)
def test_a_unit_that_contradicts_the_name_is_refused(text, message):
    with pytest.raises(UnitError, match=message):
        parse_label(text)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("energy=meV", 1500.0, 1.5),
        ("energy=Ha", "1", 27.211386245981),
        ("energy=Ry", 2, 27.211386245981),
        ("energy=kJ/mol", 96.48533212, 1.0),
        ("energy=kcal/mol", 23.060547830, 1.0),
        ("energy=eV", "", None),
        ("energy=eV", "na", None),
        ("energy=eV", None, None),
        ("metal=class", "True", 1),
        ("metal=class", False, 0),
        ("metal=class", float("nan"), None),
        ("system=class(7)", 6, 6),
    ],
)
def test_values_are_converted(text, value, expected):
    label = parse_label(text)
    found = label.read({label.column: value}, 2)
    assert found == (expected if not isinstance(expected, float) else pytest.approx(expected))


def test_forces_and_stress_have_their_shapes():
    forces = parse_label("forces=Ha/Bohr").read({"forces": [[1.0, 0, 0], [0, 0, 2.0]]}, 2)
    assert forces[1, 2] == pytest.approx(2 * 51.4220675112)
    voigt = parse_label("stress=eV/A^3").read({"stress": [1, 2, 3, 4, 5, 6]}, 2)
    assert np.array_equal(voigt, [[1, 6, 5], [6, 2, 4], [5, 4, 3]])


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("energy=eV", "high", "where a number is expected"),
        ("energy=eV", [1, 2], "wrong number of values"),
        ("energy=eV", True, "is True, where a number is expected"),
        ("forces=eV/A", [[1.0, 2], [3, 4], [5, 6]], "exchange rows and columns"),
        ("forces=eV/A", [[1.0, 0, 0]], "wrong number of values"),
        ("metal=class", 2, "no class from 0 to 1"),
        ("system=class(7)", 3.5, "no class from 0 to 6"),
        ("system=class(7)", -1, "no class"),
    ],
)
def test_values_that_do_not_fit_are_refused(text, value, message):
    label = parse_label(text)
    with pytest.raises(DataError, match=message):
        label.read({label.column: value}, 2)


def test_rows_of_atoms_may_be_written_in_several_ways():
    label, expected = parse_label("forces=eV/A"), np.arange(6.0).reshape(2, 3)
    for rows in (expected, expected.ravel(), expected[None], expected.tolist()):
        assert np.array_equal(label.read({"forces": rows}, 2), expected)
    born = parse_label("born[atoms,3,3]=e", per_atom=True)
    flat = np.arange(18.0).reshape(2, 9)
    assert np.array_equal(born.read({"born": flat}, 2), flat.reshape(2, 3, 3))


def test_an_atom_without_a_value_has_none():
    moments = parse_label("magmom[atoms,3]=muB", per_atom=True).read(
        {"magmom": [[0, 0, 1], None]}, 2
    )
    assert moments[0].tolist() == [0, 0, 1]
    assert np.isnan(moments[1]).all()
    charges = parse_label("charge=e", per_atom=True).read({"charge": [None, 0.5]}, 2)
    assert np.isnan(charges[0])
    assert charges[1] == 0.5


def test_a_truth_value_may_be_a_class_or_a_number_without_a_unit():
    assert parse_label("metal=class").read({"metal": True}, 2) == 1
    assert parse_label("metal=dimensionless").read({"metal": False}, 2) == 0.0


@pytest.mark.parametrize(
    "info",
    [
        TargetInfo(name="energy", kind="energy", unit="eV"),
        TargetInfo(name="forces", kind="forces", unit="eV/Å"),
        TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
        TargetInfo(name="gap", kind="scalar", unit="eV"),
        TargetInfo(name="metal", kind="binary", unit="class"),
        TargetInfo(name="system", kind="multiclass", unit="class", num_classes=7),
        TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å", extensive=True),
        TargetInfo(name="eps", kind="tensor", rank=2, unit="dimensionless", symmetric=True),
        TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True),
        TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True),
        TargetInfo(
            name="dos", kind="grid", unit="1/eV", grid=Grid(points=7, start=-1, stop=2.5, unit="eV")
        ),
    ],
)
def test_a_declaration_that_is_written_is_understood(info):
    assert parse_label(declaration(info)).info == info
    renamed = parse_label(declaration(info, "column"))
    assert (renamed.info, renamed.column, renamed.factor) == (info, "column", 1.0)


def test_an_energy_of_another_name_stays_a_total_energy_in_its_extent():
    relaxed = TargetInfo(name="relaxed_energy", kind="energy", unit="eV")
    info = parse_label(declaration(relaxed)).info
    assert (info.unit, info.extensive) == ("eV", True)

"""What a label declares: shape, extent, components, and what contradicts itself."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import pytest

from matsciml_core.errors import MatSciMLError, RegistryError
from matsciml_core.registry.targets import Grid, TargetInfo, TargetKind

DOS = Grid(points=5, start=-1.0, stop=1.0, unit="eV", quantity="energy")
LABELS = {
    "scalar": TargetInfo(name="x", kind="scalar", unit="eV"),
    "per atom": TargetInfo(name="x", kind="scalar", unit="e", per_atom=True),
    "class": TargetInfo(name="x", kind="multiclass", unit="class", num_classes=7),
    "energy": TargetInfo(name="x", kind="energy", unit="eV"),
    "forces": TargetInfo(name="x", kind="forces", unit="eV/Å"),
    "stress": TargetInfo(name="x", kind="stress", unit="eV/Å³"),
    "vector": TargetInfo(name="x", kind="tensor", rank=1, unit="e·Å", extensive=True),
    "matrix": TargetInfo(name="x", kind="tensor", rank=2, unit="dimensionless", symmetric=True),
    "rank 3": TargetInfo(name="x", kind="tensor", rank=3, unit="C/m²"),
    "matrices": TargetInfo(name="x", kind="tensor", rank=2, unit="e", per_atom=True),
    "grid": TargetInfo(name="x", kind="grid", unit="1/eV", grid=DOS, extensive=True),
}


def test_unit_is_brought_into_its_canonical_spelling() -> None:
    assert TargetInfo(name="f", kind="forces", unit="ev/A", per_atom=True).unit == "eV/Å"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "vector", "unit": "eV"}, "has the kind 'vector'; use one of scalar"),
        ({"kind": "scalar", "unit": "class"}, "belongs to binary and multiclass"),
        ({"kind": "binary", "unit": "eV"}, "belongs to binary and multiclass"),
        ({"kind": "multiclass", "unit": "class"}, "needs num_classes"),
        ({"kind": "scalar", "unit": "hartree"}, "'hartree', which is not one of"),
        ({"kind": "energy", "unit": "eV", "per_atom": True}, "per_atom=True, which energy never"),
        ({"kind": "forces", "unit": "eV/Å", "rank": 2}, "rank=2, which forces never has"),
        ({"kind": "scalar", "unit": "eV", "rank": 1}, "scalar of rank 1; vectors and matrices"),
        ({"kind": "tensor", "unit": "eV"}, "tensor of rank 0; vectors and matrices"),
        ({"kind": "tensor", "unit": "eV", "rank": 1, "symmetric": True}, "symmetric with rank 1"),
        ({"kind": "grid", "unit": "1/eV"}, "is grid; the kind 'grid', and no other, needs a grid"),
        ({"kind": "scalar", "unit": "1/eV", "grid": DOS}, "is scalar; the kind 'grid'"),
        ({"kind": "scalar", "unit": "e", "per_atom": True, "extensive": True}, "only a number per"),
        ({"kind": "binary", "unit": "class", "extensive": True}, "only a number per crystal"),
    ],
)
def test_contradictions(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(MatSciMLError, match=message) as caught:
        TargetInfo(name="label", **fields)
    assert "'label'" in str(caught.value)


@pytest.mark.parametrize(
    ("label", "shape", "extent"),
    [
        ("scalar", (), "intensive"),
        ("per atom", (), "per atom"),
        ("class", (), "intensive"),
        ("energy", (), "extensive"),
        ("forces", (3,), "per atom"),
        ("stress", (3, 3), "intensive"),
        ("vector", (3,), "extensive"),
        ("matrix", (3, 3), "intensive"),
        ("rank 3", (3, 3, 3), "intensive"),
        ("matrices", (3, 3), "per atom"),
        ("grid", (5,), "extensive"),
    ],
)
def test_shape_and_extent(label: str, shape: tuple[int, ...], extent: str) -> None:
    info = LABELS[label]
    assert (info.shape, info.extent) == (shape, extent)
    assert info.width == math.prod(shape)
    assert info.value_shape(2) == ((2, *shape) if info.per_atom else shape)
    assert len(info.components) == (info.width if shape else 0)


def test_components_are_named_row_by_row() -> None:
    assert LABELS["forces"].components == ("x", "y", "z")
    assert LABELS["stress"].components == ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz")
    assert LABELS["rank 3"].components[:4] == ("xxx", "xxy", "xxz", "xyx")
    assert LABELS["grid"].components == ("-1 eV", "-0.5 eV", "0 eV", "0.5 eV", "1 eV")


def test_classes() -> None:
    binary = TargetInfo(name="x", kind="binary", unit="class")
    assert (binary.is_class, binary.classes, binary.missing) == (True, 2, -1)
    assert (LABELS["class"].is_class, LABELS["class"].classes) == (True, 7)
    assert (LABELS["scalar"].is_class, LABELS["scalar"].classes) == (False, 0)
    assert math.isnan(LABELS["scalar"].missing)


@pytest.mark.parametrize("label", LABELS)
def test_declarations_survive_json(label: str) -> None:
    data = json.loads(json.dumps(LABELS[label].as_data()))
    assert TargetInfo.from_data(data) == LABELS[label]


def test_data_hold_only_what_does_not_follow_from_the_kind() -> None:
    always = {"name", "kind", "unit", "per_atom", "num_classes", "description"}
    for label in ("scalar", "per atom", "class", "energy", "forces", "stress"):
        assert LABELS[label].as_data().keys() == always
    assert LABELS["matrix"].as_data().keys() == always | {"rank", "symmetric"}


@pytest.mark.parametrize("data", [{}, {"name": "x", "kind": "scalar", "unit": "eV", "no": 1}])
def test_other_data_are_rejected(data: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match="no declaration of a label"):
        TargetInfo.from_data(data)


def test_form_says_kind_and_shape() -> None:
    forms = {label: info.form for label, info in LABELS.items()}
    assert forms["class"] == "multiclass, 7 classes"
    assert forms["matrix"] == "tensor, 3 x 3"
    assert forms["grid"] == "grid, 5"
    assert forms["stress"] == "stress"


def test_kinds_are_documented() -> None:
    assert len(get_args(TargetKind)) == 9


class TestGrid:
    def test_unit_is_canonical(self) -> None:
        assert Grid(points=2, start=0.0, stop=1.0, unit="ev").unit == "eV"

    def test_one_point(self) -> None:
        assert Grid(points=1, start=2.0, stop=2.0, unit="1").names == ("2",)

    @pytest.mark.parametrize("fields", [(0, 0.0, 1.0), (2, 1.0, 1.0), (3, 1.0, 0.0)])
    def test_impossible_grids(self, fields: tuple[int, float, float]) -> None:
        points, start, stop = fields
        with pytest.raises(RegistryError, match="at least one point, and a start below the stop"):
            Grid(points=points, start=start, stop=stop, unit="eV")

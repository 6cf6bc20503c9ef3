"""The declaration of a dataset as a file."""

from __future__ import annotations

import pytest

from matsciml_core import BenchmarkTask, PublishedNumber, Reference, TargetInfo, read_dataset_spec
from matsciml_core.errors import RegistryError, UnitError

MINE = """
name = "mine"
summary = "My crystals."
class_path = "mine.dataset:Mine"
source = "here"
licence = "CC0-1.0"
known_problems = ["They are few."]

[splits]
random = "At random."
time = "In time."

[[targets]]
name = "gap"
kind = "scalar"
unit = "eV"

[[targets]]
name = "dielectric"
kind = "tensor"
rank = 2
unit = "dimensionless"

[[tasks]]
title = "gap"
target = "gap"
metric = "MAE"
unit = "eV"
published_sizes = [80, 10]

[[published]]
target = "gap"
metric = "mae"
value = 0.25
method = "trees"
reference = "roe2020salts"
conditions = "another split"

[[references]]
key = "roe2020salts"
authors = "Roe, R."
title = "Salts"
venue = "Journal of Salts"
year = 2020
"""


@pytest.fixture
def declare(tmp_path):
    """Give a function that writes declarations and reads them."""

    def read(*texts, **values):
        names = [f"{index}.toml" for index in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            (tmp_path / name).write_text(text, encoding="utf-8")
        return read_dataset_spec(str(tmp_path / "plugin.py"), *names, **values)

    return read


def test_has_what_the_file_says(declare):
    spec = declare(MINE)
    assert (spec.name, spec.licence) == ("mine", "CC0-1.0")
    assert spec.known_problems == ("They are few.",)
    assert list(spec.splits) == ["random", "time"]
    assert spec.targets == (
        TargetInfo(name="gap", kind="scalar", unit="eV"),
        TargetInfo(name="dielectric", kind="tensor", rank=2, unit="dimensionless"),
    )
    assert spec.references == (
        Reference(
            key="roe2020salts",
            authors="Roe, R.",
            title="Salts",
            venue="Journal of Salts",
            year=2020,
        ),
    )


def test_a_published_split_may_lack_a_subset(declare):
    task = BenchmarkTask(
        title="gap", target="gap", metric="MAE", unit="eV", published_sizes=(80, 10, None)
    )
    assert declare(MINE).tasks == (task,)


def test_published_errors_are_records(declare):
    assert declare(MINE).published == (
        PublishedNumber(
            target="gap",
            metric="mae",
            value=0.25,
            method="trees",
            reference="roe2020salts",
            conditions="another split",
        ),
    )


def test_lies_beside_the_module_by_default(tmp_path):
    (tmp_path / "dataset.toml").write_text(MINE, encoding="utf-8")
    assert read_dataset_spec(str(tmp_path / "plugin.py")).name == "mine"


def test_a_later_file_overrides_and_so_does_the_plugin(declare):
    gap = TargetInfo(name="gap", kind="scalar", unit="K")
    spec = declare(MINE, 'summary = "Yours."\nsize = 3', targets=(gap,))
    assert (spec.summary, spec.size, spec.targets) == ("Yours.", 3, (gap,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot be read"),
        ("name = 'mine'", "incomplete: .*summary"),
        (MINE.replace("licence", "license"), "has the key 'license', which no dataset has"),
        (MINE.replace("venue", "journal"), "incomplete: .*journal"),
        (MINE.replace('kind = "scalar"', 'kind = "number"'), "has the kind 'number'"),
    ],
)
def test_what_is_wrong_is_one_sentence(declare, text, message):
    with pytest.raises(RegistryError, match=message) as caught:
        declare(text)
    assert "\n" not in str(caught.value)


def test_an_unknown_unit_is_an_error(declare):
    with pytest.raises(UnitError):
        declare(MINE.replace('unit = "eV"', 'unit = "furlong"'))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(RegistryError, match="cannot be read"):
        read_dataset_spec(str(tmp_path / "plugin.py"), "nothing.toml")

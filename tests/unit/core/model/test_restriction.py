"""A model for some of its labels: the same numbers, and nothing computed for the others."""

from __future__ import annotations

import pytest

from matsciml_core import TargetInfo, load
from matsciml_core.errors import ConfigError
from matsciml_core.model.ensembles import write_ensemble
from matsciml_core.model.restriction import restrict
from matsciml_core.testing.examples import ExampleHead

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
DENSITY = TargetInfo(name="density", kind="scalar", unit="g/cm³")


@pytest.fixture
def model(make_model, registry):
    return load(make_model((("mine", GAP), ("mine", DENSITY))), registry=registry, device="cpu")


def test_the_numbers_are_the_same_and_the_others_are_not_computed(model, crystals, monkeypatch):
    expected = model.predict(crystals)
    calls = []
    forward = ExampleHead.forward
    monkeypatch.setattr(
        ExampleHead, "forward", lambda head, *rest: calls.append(head) or forward(head, *rest)
    )
    gap = restrict(model, ["gap"])
    found = gap.predict(crystals)
    assert [set(one.values) for one in found] == [{"gap"}] * len(crystals)
    assert [one["gap"] for one in found] == [one["gap"] for one in expected]
    assert {info.name for head in calls for info in head.targets} == {"gap"}
    assert list(gap.targets) == ["gap"]
    assert list(model.targets) == ["gap", "density"]  # the other one stays as it was


def test_names_of_labels_that_several_datasets_share_stay(make_model, registry, crystals):
    model = load(make_model((("a", GAP), ("b", GAP))), registry=registry, device="cpu")
    (label, other) = model.targets
    assert label != "gap" != other
    found = restrict(model, [other]).predict(crystals)
    assert [one[other] for one in found] == [one[other] for one in model.predict(crystals)]


def test_a_label_that_the_model_does_not_have_is_answered_with_those_it_has(model):
    with pytest.raises(ConfigError, match=r"'gop'.*Did you mean 'gap'.*Labels: gap, density"):
        restrict(model, ["gop"])


def test_of_an_ensemble_every_member_is_restricted(make_model, registry, crystals, tmp_path):
    labels = (("mine", GAP), ("mine", DENSITY))
    folders = [make_model(labels, name=name) for name in ("one", "two")]
    (tmp_path / "both").mkdir()
    write_ensemble(tmp_path / "both", folders, {})
    both = load(tmp_path / "both", registry=registry, device="cpu")
    density = restrict(both, ["density"])
    found = density.predict(crystals)
    assert [set(one.values) for one in found] == [{"density"}] * len(crystals)
    assert [one["density"] for one in found] == [one["density"] for one in both.predict(crystals)]
    assert list(both.targets) == ["gap", "density"]

"""What the registry sees, with and without DGL."""

from importlib.metadata import metadata

import pytest
from packaging.requirements import Requirement

from matsciml_core import build_registry
from matsciml_core.convert.packages import _INSTALL
from matsciml_core.errors import PluginLoadError
from matsciml_model_dgl.plugin import matsciml_encoders

(SPEC,) = matsciml_encoders()


def registry_with(dgl, monkeypatch):
    """Return a registry of this plugin, where another version of DGL, or none, is installed."""
    registry = build_registry(only=["matsciml-model-dgl"])
    version_of = registry.installed.version
    monkeypatch.setattr(
        registry.installed, "version", lambda name: dgl if name == "dgl" else version_of(name)
    )
    return registry


def test_without_dgl_one_sentence_says_what_is_missing_and_where(monkeypatch):
    registry = registry_with(None, monkeypatch)
    with pytest.raises(PluginLoadError) as caught:
        registry.get("encoder", "mpnn-dgl")
    assert "needs dgl==1.1.3, which is not installed; " in str(caught.value)
    assert "wheels for Python up to 3.11 on Linux and macOS only" in str(caught.value)
    assert str(caught.value).endswith("Run: pip install 'dgl==1.1.3'")


def test_doctor_says_it_too(monkeypatch):
    from matsciml_cli._checks import all_checks

    registry = registry_with(None, monkeypatch)
    (check,) = [one for one in all_checks(registry) if one.area == "optional"]
    assert (check.state, check.name) == ("warning", "encoder mpnn-dgl")
    assert check.detail.endswith(SPEC.requires_note)
    assert check.fix == "To use it, run: pip install 'dgl==1.1.3'"


def test_another_release_of_dgl_is_noticed(monkeypatch):
    registry = registry_with("2.1.0", monkeypatch)
    (problem,) = registry.missing(SPEC)
    assert problem.reason == "needs dgl==1.1.3, and 2.1.0 is installed"


def test_the_pin_is_the_same_everywhere():
    lines = metadata("matsciml-model-dgl").get_all("Requires-Dist") or []
    (extra,) = [one for one in map(Requirement, lines) if one.name == "dgl"]
    assert f"dgl{extra.specifier}" == _INSTALL["dgl"] == SPEC.requires[0]

"""What environments offer: when it counts, and how an environment knows itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from matsciml_core.errors import DuplicateNameError, OtherEnvironmentError, UnknownNameError
from matsciml_core.registry.environments import current_environment, environment_record
from matsciml_core.registry.manager import Registry, build_registry

SOURCE = """
    from matsciml_core import DatasetSpec, EncoderSpec, EnvironmentSpec, OfferedComponent, hookimpl

    def offer(kind, name):
        return OfferedComponent(kind=kind, name=name, summary="s", distribution="matsciml-theirs")

    @hookimpl
    def matsciml_environments():
        for name, offers in ENVIRONMENTS.items():
            yield EnvironmentSpec(
                name=name,
                summary="An environment.",
                class_path="a.b:run_there",
                folder=f"/envs/{name}",
                offers=tuple(offer(*item) for item in offers),
            )

    @hookimpl
    def matsciml_encoders():
        yield EncoderSpec(name="mine", summary="s", class_path="a.b:C")
        yield EncoderSpec(name="lacking", summary="s", class_path="a.b:C", requires=("no-such",))
"""


def registry(folder: Any, **environments: list[tuple[str, str]]) -> Registry:
    folder.add("matsciml-tool-mine", SOURCE.replace("ENVIRONMENTS", repr(environments)))
    return build_registry(path=folder.search)


class TestLookUp:
    def test_a_name_of_an_environment_leads_there(self, plugin_folder: Any) -> None:
        with pytest.raises(
            OtherEnvironmentError, match=r"in the environment 'one'.*'/envs/one'"
        ) as e:
            registry(plugin_folder, one=[("encoder", "theirs")]).get("encoder", "theirs")
        assert e.value.environment.name == "one"

    def test_so_does_one_that_is_asked_for_without_its_kind(self, plugin_folder: Any) -> None:
        error = registry(plugin_folder, one=[("dataset", "theirs")]).unknown("theirs")
        assert isinstance(error, OtherEnvironmentError)

    def test_the_kind_counts(self, plugin_folder: Any) -> None:
        with pytest.raises(UnknownNameError, match="no dataset 'theirs'"):
            registry(plugin_folder, one=[("encoder", "theirs")]).get("dataset", "theirs")

    def test_what_is_here_comes_first(self, plugin_folder: Any) -> None:
        here = registry(plugin_folder, one=[("encoder", "mine")])
        assert here.get("encoder", "mine").summary == "s"
        assert here.elsewhere() == []

    def test_what_cannot_be_used_here_is_looked_for_there(self, plugin_folder: Any) -> None:
        with pytest.raises(OtherEnvironmentError):
            registry(plugin_folder, one=[("encoder", "lacking")]).get("encoder", "lacking")

    def test_two_environments_with_one_name(self, plugin_folder: Any) -> None:
        offers = [("encoder", "theirs")]
        with pytest.raises(DuplicateNameError, match="environments one and two; remove one"):
            registry(plugin_folder, one=offers, two=offers).get("encoder", "theirs")


def test_offers_have_the_name_of_their_environment(plugin_folder: Any) -> None:
    here = registry(plugin_folder, one=[("encoder", "b"), ("dataset", "c")], two=[("encoder", "a")])
    pairs = [(item.offer.name, item.environment.name) for item in here.elsewhere("encoder")]
    assert pairs == [("b", "one"), ("a", "two")]
    assert len(here.elsewhere()) == 3


class TestCurrent:
    def test_the_main_environment_has_no_name(self) -> None:
        assert current_environment() is None
        assert environment_record() is None

    def test_an_environment_is_called_like_its_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "mine"))
        (tmp_path / "mine").mkdir()
        assert current_environment() is None  # half-made
        file = tmp_path / "mine" / "environment.json"
        file.write_text(json.dumps({"versions": {"e3nn": "0.4.4"}}))
        assert current_environment() == "mine"
        assert environment_record() == {"name": "mine", "versions": {"e3nn": "0.4.4"}}
        file.write_text("damaged")
        assert environment_record() == {"name": "mine", "versions": {}}

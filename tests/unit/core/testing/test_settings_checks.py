"""Checks of settings find what is wrong with a component's config class."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from matsciml_core import Config, EncoderSpec
from matsciml_core.testing import examples
from matsciml_core.testing.scorecard import CHECKS, subject_of
from matsciml_core.testing.settings import settings_checks


class Described(Config):
    width: int = 16
    """Width, dimensionless."""
    presets: ClassVar = {"default": {}, "wide": {"width": 64}}


class Silent(Config):
    width: int = 16


class OtherDefault(Described):
    presets: ClassVar = {"wide": {"width": 64}, "default": {}}


def row(check: str, config: type[Config] | None, presets=()):
    capabilities = replace(examples.ENCODER.capabilities, presets=tuple(presets))
    spec = replace(
        examples.ENCODER,
        config=None if config is None else f"{__name__}:{config.__name__}",
        capabilities=capabilities,
    )
    subject = subject_of(examples.ENCODER)
    subject.spec = _Loads(spec, config)
    (found,) = (one for one in settings_checks("encoder") if one.name == check)
    return found.run(subject)


class _Loads:
    """A spec that gives a class of this module, which a test run cannot import by name."""

    def __init__(self, spec: EncoderSpec, config: type[Config] | None) -> None:
        self._spec, self._config = spec, config

    def __getattr__(self, name):
        return getattr(self._spec, name)

    def load_config(self):
        return self._config


def test_described_settings_pass():
    assert row("settings", Described, ["default", "wide"]).result == "passed"


def test_nothing_to_set():
    assert row("settings", None).result == "skipped"
    assert row("light-settings", None).result == "skipped"


@pytest.mark.parametrize(
    ("config", "presets", "complaint"),
    [
        (Silent, [], "'width' has no docstring"),
        (OtherDefault, ["wide", "default"], "'wide', differs from the defaults"),
        (Described, ["wide", "default"], "lists the presets wide, default"),
        (Described, [], "lists the presets none"),
    ],
)
def test_what_is_wrong_is_said(config, presets, complaint):
    found = row("settings", config, presets)
    assert found.result == "failed"
    assert complaint in found.explanation


def test_settings_that_import_torch(tmp_path, monkeypatch):
    (tmp_path / "heavy_settings.py").write_text("import torch\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subject = subject_of(examples.ENCODER)
    subject.spec = replace(examples.ENCODER, config="heavy_settings:Any")
    (check,) = (one for one in CHECKS["encoder"] if one.name == "light-settings")
    assert "heavy_settings imports torch" in check.run(subject).explanation

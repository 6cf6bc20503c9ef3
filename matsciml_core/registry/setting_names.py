"""What other frameworks call the settings of a run: data, in ``setting_names.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matsciml_core.errors import did_you_mean

_FILE = Path(__file__).with_name("setting_names.json")
_SECTIONS = ("", "training", "split", "init")
"""The sections whose settings are the core's; the others belong to components."""


@dataclass(frozen=True, kw_only=True)
class SettingHint:
    """The setting that a name of another framework stands for, or comes closest to."""

    setting: str
    """With its section: ``training.learning_rate``."""
    sentence: str = ""
    """Why there is no such setting; empty where ``setting`` is the same under our name."""

    def advice(self, section: str = "") -> str:
        """Return what to write instead, as the end of an error message with a leading blank.

        Args:
            section: The section that the message is about, which is not repeated.
        """
        setting = self.setting.removeprefix(f"{section}.")
        if self.sentence:
            return f" {self.sentence} The nearest setting is '{setting}'."
        return f" Did you mean '{setting}'?"


def setting_hint(name: str) -> SettingHint | None:
    """Return what is known about a name that other frameworks use; None: nothing.

    >>> setting_hint("max-epochs").setting
    'training.epochs'
    """
    return _hints().get(name.lower().replace("-", "_"))


def suggest_setting(name: str, settings: Iterable[str], *, section: str = "") -> str:
    """Return the end of an error message about an unknown setting, with a leading blank.

    Args:
        name: What was typed, without the section.
        settings: The names that exist in the section.
        section: The section; empty: the whole run.

    Returns:
        The setting of that meaning or the closest name; empty where there is neither.
    """
    hint = setting_hint(name)
    # Within the encoder's section it is no help that layers are settings of the encoder.
    meaning = hint.advice(section) if hint is not None and hint.setting != section else ""
    spelling = did_you_mean(name, settings)
    # A component may call its own settings as it likes, so that there the spelling comes first.
    return meaning or spelling if section in _SECTIONS else spelling or meaning


@cache
def _hints() -> dict[str, SettingHint]:
    entries = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: SettingHint(setting=entry["setting"], sentence=entry.get("sentence", ""))
        for entry in entries
        for name in entry["names"]
    }

"""The settings of a run, read without importing the configuration, which needs pydantic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from matsciml_cli._settings import Setting, read_settings
from matsciml_core.errors import closest
from matsciml_core.registry.setting_names import setting_hint

_MODULE = "matsciml_core.training.config"
_SURE = 0.75
WHOLE = "run"
"""Section of the settings that stand at the top of a configuration."""
_CLASSES = {
    "training": "TrainingConfig",
    "split": "SplitConfig",
    "init": "InitConfig",
    WHOLE: "RunConfig",
}


@dataclass(frozen=True, kw_only=True)
class SettingMatch:
    """The settings that a name leads to."""

    settings: tuple[Setting, ...]
    remark: str = ""
    """What to know about the name, where it is not that of a setting."""


def run_settings() -> dict[str, tuple[Setting, ...]]:
    """Return the settings of a run by section, under their full names such as ``split.seed``.

    >>> [setting.name for setting in run_settings()["init"]]
    ['init.model', 'init.train', 'init.heads']
    """
    sections = {}
    for section, class_name in _CLASSES.items():
        settings = read_settings(f"{_MODULE}:{class_name}").fields
        if section == WHOLE:
            # The default of a section is its class, and its settings are listed on their own.
            sections[section] = tuple(
                replace(one, default="see its section") if one.name in _CLASSES else one
                for one in settings
            )
        else:
            sections[section] = tuple(
                replace(setting, name=f"{section}.{setting.name}") for setting in settings
            )
    return sections


def find_settings(name: str) -> SettingMatch | None:
    """Return the settings of a run that a name means; None: there is none that comes close.

    Args:
        name: A setting, with or without its section, misspelt or by the name that another
            framework has for it.
    """
    settings = {setting.name: setting for group in run_settings().values() for setting in group}
    short = name.rpartition(".")[2]
    exact = [one for full, one in settings.items() if name in (full, full.rpartition(".")[2])]
    if exact:
        return SettingMatch(settings=tuple(exact))
    hint = setting_hint(short)
    if hint is not None:
        remark = hint.sentence or f"'{name}' is called '{hint.setting}' here."
        return SettingMatch(settings=(settings[hint.setting],), remark=remark)
    names = {full.rpartition(".")[2]: setting for full, setting in settings.items()}
    # Most names that are looked up are those of components, so that a guess needs good reason.
    match = closest(short, names, similarity=_SURE)
    if match is None:
        return None
    remark = f"There is no setting '{name}'; the closest is '{names[match].name}'."
    return SettingMatch(settings=(names[match],), remark=remark)

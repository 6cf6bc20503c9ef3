"""Checks of a component's settings, the same for every kind of component."""

from __future__ import annotations

import subprocess
import sys

from matsciml_core.testing.checks import Broken, Check, NotApplicable, check
from matsciml_core.testing.subject import Subject


def settings_checks(kind: str) -> tuple[Check, ...]:
    """Return the checks of settings for one kind of component.

    Args:
        kind: Kind of component, as in the registry.
    """
    return check(kind)(settings), check(kind, slow=True)(light_settings)


def settings(subject: Subject) -> str:
    """Every setting is described, and the presets are those that the record lists.

    Measured: each field of the config class has a docstring; the first preset has the values of
    the defaults; an encoder's record lists the presets of the class in the same order.

    Why: help, reference pages and the JSON schema are made from the descriptions, and a run that
    names no preset must be the run that the documentation calls the default.
    """
    config = subject.spec.load_config()
    if config is None:
        raise NotApplicable("There is nothing to set.")
    silent = [name for name, field in config.model_fields.items() if not field.description]
    if silent:
        raise Broken(f"The setting '{silent[0]}' has no docstring below it.")
    if config.presets and config.from_options({}, where=subject.spec.name) != config():
        first = next(iter(config.presets))
        raise Broken(f"The first preset, '{first}', differs from the defaults of the fields.")
    listed = getattr(getattr(subject.spec, "capabilities", None), "presets", None)
    if listed is not None and tuple(listed) != tuple(config.presets):
        raise Broken(
            f"The record lists the presets {', '.join(listed) or 'none'}, "
            f"the class has {', '.join(config.presets) or 'none'}."
        )
    return f"{len(config.model_fields)} settings"


def light_settings(subject: Subject) -> None:
    """The settings can be read without torch.

    Measured: a fresh process imports the module of the config class, and torch is not loaded.

    Why: ``matsciml info`` and a misspelt ``--set`` are answered at once; importing torch takes
    seconds.
    """
    if subject.spec.config is None:
        raise NotApplicable("There is nothing to set.")
    module = subject.spec.config.partition(":")[0]
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode:
        raise Broken(f"Importing {module} imports torch; keep the settings in a module without.")

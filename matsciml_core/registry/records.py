"""What the registry knows about each plugin, working or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from matsciml_core.registry.specs import Spec

PluginState = Literal["ok", "failed", "blocked"]
"""``ok``: in use. ``failed``: quarantined. ``blocked``: left out because the user said so."""


@dataclass(frozen=True, kw_only=True)
class PluginRecord:
    """One installed plugin and its state."""

    entry_point: str
    """Name of the entry point."""
    distribution: str
    """Name of the distribution, as pip knows it."""
    version: str
    """Version of the distribution; empty where its metadata do not say."""
    module: str
    """Import path of the plugin module."""
    state: PluginState
    reason: str = ""
    """Why the plugin is not in use, as the end of a sentence that begins with the plugin."""
    fix: str = ""
    """What to do about it, as a sentence."""
    specs: tuple[Spec, ...] = ()
    """What the plugin offers; empty unless its state is ``ok``."""
    hookspecs: tuple[str, ...] = ()
    """Names of the hooks whose specifications the plugin brings."""
    unused_hooks: tuple[str, ...] = ()
    """Optional hooks that the plugin implements, and that no installed plugin specifies."""
    heavy_imports: tuple[str, ...] = ()
    """Heavy packages that importing the plugin module pulled in; they slow every command."""
    seconds: float = field(default=0.0, compare=False)
    """Time that importing the plugin module and calling its hooks took."""

    @property
    def label(self) -> str:
        """Distribution and version as text."""
        return f"{self.distribution} {self.version}".rstrip()

    def sentence(self) -> str:
        """Say what is wrong and how to fix it; empty where nothing is."""
        if self.state == "ok":
            return ""
        # A reason may end in a question, such as "Did you mean …?".
        stop = "" if self.reason.endswith("?") else "."
        return f"The plugin '{self.entry_point}' of {self.label} {self.reason}{stop} {self.fix}"

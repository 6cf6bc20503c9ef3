"""The installed plugins as lines for ``pip install -r``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matsciml_core.registry.installed import CORE
from matsciml_core.registry.manager import Registry


def requirement_lines(registry: Registry) -> Iterator[str]:
    """Yield a line for the core and for each distribution with a plugin, failed ones included.

    What they require in turn is left to pip.
    """
    # Datasets that the user imported have no module, and no distribution.
    plugins = {plugin.distribution: plugin for plugin in registry.plugins if plugin.module}
    yield _line(CORE, registry.installed.version(CORE) or "", registry.installed.direct_url(CORE))
    for name, plugin in sorted(plugins.items()):
        line = _line(name, plugin.version, registry.installed.direct_url(name))
        yield line if plugin.state == "ok" else f"{line}  # {plugin.state}"


def _line(name: str, version: str, source: Mapping[str, Any]) -> str:
    """Return one requirement; the address is written where others can reach it."""
    exact = f"{name}=={version}" if version else name
    address = str(source.get("url", ""))
    if source.get("dir_info", {}).get("editable"):
        return f"{exact}  # editable: installed from a folder of sources"
    if address.startswith("file:"):
        return f"{exact}  # installed from a folder or file of this machine"
    if "vcs_info" in source:
        commit = source["vcs_info"]
        return f"{name} @ {commit['vcs']}+{address}@{commit['commit_id']}"
    return f"{name} @ {address}" if address else exact

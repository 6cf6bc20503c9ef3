"""The sentences with which the registry answers a name that it cannot serve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matsciml_core.errors import closest
from matsciml_core.registry.records import PluginRecord
from matsciml_core.registry.requirements import Unmet
from matsciml_core.registry.specs import Spec

if TYPE_CHECKING:
    from matsciml_core.registry.known_plugins import KnownComponent

_PREFIXES = {
    "dataset": "matsciml-data-",
    "encoder": "matsciml-model-",
    "task-head": "matsciml-head-",
    "strategy": "matsciml-strategy-",
    "reader": "matsciml-reader-",
    "command": "matsciml-tool-",
}
"""Kind → how the distributions of its plugins are called by convention."""
_LISTED = 20
"""Most names of all kinds together that a sentence lists."""


def unknown_sentence(
    name: str,
    kind: str | None,
    *,
    installed: Sequence[str],
    elsewhere: Sequence[str] = (),
    plugins: Sequence[PluginRecord] = (),
    index: Sequence[KnownComponent] = (),
) -> str:
    """Say that a name is unknown, what exists, what is closest, and what to install or fix.

    Only distributions of the index are proposed for installation. A name made of what was typed
    could be the package of a stranger.

    Args:
        name: What the user asked for.
        kind: What kind of component it should be; None: the user did not say.
        installed: The names that exist, of that kind.
        elsewhere: The other kinds that do have the name.
        plugins: All plugins; one that is not in use and may offer the name is pointed out.
        index: What can be installed, of that kind.

    Returns:
        The sentence.
    """
    available = {item.name: item for item in index if item.name not in installed}
    match = closest(name, [*installed, *available])
    if match == name:  # of the index, since it is not installed
        match = None
    # What exists comes first: most unknown names are misspelt ones.
    what = "nothing called" if kind is None else f"no {kind}"
    group = "Installed" if kind is None else f"Installed {plural(kind)}"
    parts = [f"There is {what} '{name}'."]
    if match is not None:
        source = f" of {available[match].distribution}" if match in available else ""
        parts.append(f"Did you mean '{match}'{source}?")
    if kind is None and len(installed) > _LISTED:
        parts.append(
            f"'matsciml list-plugins' shows the {len(installed)} names that are installed."
        )
    else:
        parts.append(f"{group}: {', '.join(installed) or 'none'}.")
    owner = available[name].distribution if name in available else None
    unused = [
        record
        for record in plugins
        if record.state != "ok" and (record.distribution == owner or _may_offer(record, name, kind))
    ]
    if elsewhere:
        parts.append(f"'{name}' is the name of {' and '.join(map(with_article, elsewhere))}.")
    elif unused:
        parts.append("It may belong to a plugin that is installed but not in use:")
        parts += [record.sentence() for record in unused]
    elif name in available:
        note = available[name].requires_note
        condition = f"; {note}" if note else ""
        parts.append(f"{available[name].distribution} offers it{condition}.")
        parts.append(f"To install it: {install_command(available[name])}")
    elif match in available:
        parts.append(f"To install it: {install_command(available[match])}")
    else:
        parts.append("'matsciml list-plugins --available' shows what can be installed.")
    return " ".join(parts)


def duplicate_sentence(kind: str, name: str, owners: Sequence[PluginRecord]) -> str:
    """Say that several plugins offer one name, and how to choose between them."""
    return (
        f"The {kind} '{name}' is offered by {' and by '.join(owner.label for owner in owners)}; "
        f"uninstall one (pip uninstall {owners[-1].distribution}), or set MATSCIML_PLUGINS to a "
        "comma-separated list of the distributions to use."
    )


def missing_sentence(spec: Spec, plugin: PluginRecord, missing: Sequence[Unmet]) -> str:
    """Say what a component requires that is not installed, and how to install it."""
    reasons = " and ".join(problem.reason for problem in missing)
    requirements = " ".join(f"'{problem.requirement}'" for problem in missing)
    note = f"; {spec.requires_note}" if spec.requires_note else ""
    return (
        f"The {spec.kind} '{spec.name}' of {plugin.label} {reasons}{note}. Run: pip install "
        f"{requirements}"
    )


def elsewhere_sentence(kind: str, name: str, environment: str, folder: str) -> str:
    """Say that a name is offered in an environment of its own, to whom cannot be sent there."""
    return (
        f"The {kind} '{name}' is offered in the environment '{environment}'; the command line runs "
        f"what needs it there, and a program must be run by the Python of '{folder}'."
    )


def install_command(component: KnownComponent) -> str:
    """Return the command that installs a component of the index."""
    return f"pip install {component.distribution}"


def with_article(kind: str) -> str:
    """Return a kind with its article.

    >>> with_article("encoder"), with_article("dataset")
    ('an encoder', 'a dataset')
    """
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def plural(kind: str) -> str:
    """Return the plural of a kind.

    >>> plural("strategy"), plural("task-head")
    ('strategies', 'task-heads')
    """
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _may_offer(record: PluginRecord, name: str, kind: str | None) -> bool:
    """Whether a plugin might offer a name, as far as the names of the plugin itself tell."""
    others = tuple(prefix for other, prefix in _PREFIXES.items() if kind not in (None, other))
    if record.distribution.startswith(others):
        return False  # by its own name it offers something else
    prefixes = _PREFIXES.values() if kind is None else [_PREFIXES.get(kind, "matsciml-")]
    # Spellings differ: "multi-data" is offered by matsciml-strategy-multidata.
    candidates = {_letters(name), *(_letters(prefix + name) for prefix in prefixes)}
    return not candidates.isdisjoint({_letters(record.entry_point), _letters(record.distribution)})


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

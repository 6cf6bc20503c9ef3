"""The sentences with which the registry answers a name that it cannot serve."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matsciml_core.errors import did_you_mean
from matsciml_core.registry.records import PluginRecord

_PREFIXES = {
    "dataset": "matsciml-data-",
    "encoder": "matsciml-model-",
    "task-head": "matsciml-head-",
    "strategy": "matsciml-strategy-",
    "reader": "matsciml-reader-",
}
"""Kind → how the distributions of its plugins are called by convention."""

_INSTALLABLE = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def unknown_sentence(
    name: str,
    kind: str | None,
    *,
    known: Sequence[str],
    elsewhere: Sequence[str] = (),
    plugins: Sequence[PluginRecord] = (),
) -> str:
    """Say that a name is unknown, what exists, what is closest, and what to install or fix.

    Args:
        name: What the user asked for.
        kind: What kind of component it should be; None: the user did not say.
        known: The names that exist, of that kind.
        elsewhere: The other kinds that do have the name.
        plugins: All plugins; one that is not in use and may offer the name is pointed out.

    Returns:
        The sentence.
    """
    what = "nothing called" if kind is None else f"no {kind}"
    on_offer = "Installed" if kind is None else f"Installed {_plural(kind)}"
    opening = (
        f"There is {what} '{name}'.{did_you_mean(name, known)} "
        f"{on_offer}: {', '.join(known) or 'none'}."
    )
    if elsewhere:
        return f"{opening} '{name}' is the name of {' and '.join(map(with_article, elsewhere))}."
    unused = [record for record in plugins if _may_offer(record, name, kind)]
    if not unused:
        return opening + _install_hint(name, kind)
    return f"{opening} It may belong to a plugin that is installed but not in use: " + " ".join(
        record.sentence() for record in unused
    )


def duplicate_sentence(kind: str, name: str, owners: Sequence[PluginRecord]) -> str:
    """Say that several plugins offer one name, and how to choose between them."""
    return (
        f"The {kind} '{name}' is offered by {' and by '.join(owner.label for owner in owners)}; "
        f"uninstall one (pip uninstall {owners[-1].distribution}), or set MATSCIML_PLUGINS to a "
        "comma-separated list of the distributions to use."
    )


def _may_offer(record: PluginRecord, name: str, kind: str | None) -> bool:
    """Judge by its own names whether a plugin that is not in use might offer a name."""
    if record.state == "ok":
        return False
    others = tuple(prefix for other, prefix in _PREFIXES.items() if kind not in (None, other))
    if record.distribution.startswith(others):
        return False  # it says itself that it offers something else
    prefixes = _PREFIXES.values() if kind is None else [_PREFIXES.get(kind, "matsciml-")]
    wanted = {_letters(name), *(_letters(prefix + name) for prefix in prefixes)}
    return not wanted.isdisjoint({_letters(record.entry_point), _letters(record.distribution)})


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _install_hint(name: str, kind: str | None) -> str:
    what = "it" if kind is None else f"this {kind}"
    if kind not in _PREFIXES or not _INSTALLABLE.fullmatch(name):
        return f" If a plugin offers {what}, install that plugin with pip."
    return f" If a plugin offers {what}, install that first: pip install {_PREFIXES[kind]}{name}"


def with_article(kind: str) -> str:
    """Return a kind with its article.

    >>> with_article("encoder"), with_article("dataset")
    ('an encoder', 'a dataset')
    """
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _plural(kind: str) -> str:
    return "strategies" if kind == "strategy" else f"{kind}s"

"""The reference of this repository's plugins: what they offer, and what can be set."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from config_reference import config_table, presets_table
from markdown_tables import code, inline, markdown_table

from matsciml_core.registry.manager import Registry, build_registry
from matsciml_core.registry.specs import (
    DatasetSpec,
    EncoderSpec,
    Reference,
    Spec,
    StrategySpec,
    TaskHeadSpec,
)

PLUGINS = Path(__file__).parents[2] / "plugins"
_FILE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)")


def distributions() -> dict[str, Path]:
    """Return the folders of the repository's plugins by the names that pip knows."""
    projects = sorted(PLUGINS.glob("*/pyproject.toml"))
    names = [tomllib.loads(file.read_text("utf-8"))["project"]["name"] for file in projects]
    return dict(zip(names, (file.parent for file in projects), strict=True))


def registry() -> Registry:
    """Return a registry of the repository's plugins, whatever else is installed."""
    return build_registry(strict=True, only=list(distributions()))


def overview_table(plugins: Registry) -> str:
    """Return one row per component, in the order of ``matsciml list-plugins``."""
    rows = [
        (spec.kind, f"[`{spec.name}`](#{_anchor(spec)})", f"`{record.distribution}`", spec.summary)
        for spec, record in plugins.components()
    ]
    return markdown_table(("kind", "name", "distribution", "what it is"), rows)


def plugins_markdown() -> str:
    """Return the reference of all plugins, in MyST Markdown."""
    plugins = registry()
    specs = {record.distribution: record.specs for record in plugins.plugins}
    # Libraries that plugins share offer no component, and have no entry point.
    sections = [_plugin(name, specs.get(name, ())) for name in distributions()]
    return "\n\n".join([overview_table(plugins), *sections]) + "\n"


def _plugin(distribution: str, specs: tuple[Spec, ...]) -> str:
    readme = distributions()[distribution] / "README.md"
    parts = [f"## `{distribution}`", _without_title(readme)]
    return "\n\n".join([*parts, *(_component(spec) for spec in specs)])


def _without_title(readme: Path) -> str:
    """Return a README without its title and links to files, with its headings one level down."""
    lines, fenced = [], False
    for line in readme.read_text("utf-8").strip().splitlines()[1:]:
        fenced ^= line.startswith("```")
        lines.append(f"#{line}" if line.startswith("#") and not fenced else line)
    return _FILE_LINK.sub(r"\1", "\n".join(lines).strip())


def _anchor(spec: Spec) -> str:
    return f"{spec.kind}-component-{spec.name}"


def _component(spec: Spec) -> str:
    parts = [
        f"({_anchor(spec)})=\n### {spec.kind.replace('-', ' ').capitalize()} `{spec.name}`",
        f"{spec.summary} Class `{spec.class_path}`.",
        *_specific(spec),
        *_settings(spec),
        *_references(spec.references),
    ]
    return "\n\n".join(part for part in parts if part)


def _specific(spec: Spec) -> list[str]:
    if isinstance(spec, DatasetSpec):
        return [_origin(spec), "**Labels**", labels_table(spec)]
    if isinstance(spec, EncoderSpec):
        return ["**Promises**", _promises(spec), _training(spec)]
    if isinstance(spec, TaskHeadSpec):
        return [f"It trains labels of the kind {', '.join(map(code, spec.target_kinds))}."]
    if isinstance(spec, StrategySpec):
        tasks, datasets = spec.max_tasks or "any number", spec.max_datasets or "any number"
        return [f"Most tasks: {tasks}; most datasets: {datasets}."]
    return []


def _origin(spec: DatasetSpec) -> str:
    size = f"{spec.size:,} crystals. " if spec.size else ""
    return f"{size}Source: {spec.source or 'not stated'}. Licence: {spec.licence or 'not stated'}."


def labels_table(spec: DatasetSpec) -> str:
    """Return the labels of a dataset with their units."""
    rows = [
        (f"`{info.name}`", info.kind, info.unit, inline(info.description)) for info in spec.targets
    ]
    return markdown_table(("label", "kind", "unit", "description"), rows)


def _promises(spec: EncoderSpec) -> str:
    can = spec.capabilities
    rows = [
        ("symmetry", can.symmetry),
        ("neighbours it needs", can.neighbours),
        ("same embedding for every supercell", _yes(can.supercell)),
        ("continuous at the cutoff", _yes(can.smooth_cutoff)),
        ("gradients with respect to positions", _yes(can.differentiable)),
    ]
    return markdown_table(("promise", "kept"), rows)


def _training(spec: EncoderSpec) -> str:
    recipes = {"It": spec.training} if spec.training else {}
    recipes |= {f"Its preset `{name}`": one for name, one in spec.preset_training.items()}
    lines = []
    for subject, settings in recipes.items():
        values = ", ".join(f"`{key}` {code(value)}" for key, value in settings.items())
        lines.append(f"{subject} changes these defaults of the section `training`: {values}.")
    return " ".join(lines)


def _settings(spec: Spec) -> list[str]:
    model = spec.load_config()
    if model is None:
        return ["It has no settings."]
    return ["**Settings**", presets_table(model), config_table(model)]


def _references(references: tuple[Reference, ...]) -> list[str]:
    if not references:
        return []
    return ["**To cite**", "\n".join(f"- {citation(one)}" for one in references)]


def citation(one: Reference) -> str:
    """Return a publication as people cite it, in Markdown."""
    link = f" [doi:{one.doi}](https://doi.org/{one.doi})" if one.doi else ""
    return f"{one.citation}.{link}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"

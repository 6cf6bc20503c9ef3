"""Write the index of known plugins, ``matsciml_core/registry/known_plugins.json``.

Run ``python scripts/known_plugins.py`` after a change of what a plugin of this repository offers;
``--check`` writes nothing and exits with 1 where the index is stale. The plugin modules are taken
from ``plugins/``, whether installed or not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from matsciml_core.registry.known_plugins import INDEX, SCHEMA  # noqa: E402 - after the path
from matsciml_core.registry.specs import CommandSpec, DatasetSpec, ReaderSpec, Spec  # noqa: E402

COMMAND = "python scripts/known_plugins.py"
EXAMPLES = {"dataset": "mp", "encoder": "megnet"}
"""What to begin with: the dataset comes with its plugin, and the encoder trains in a minute."""


def main() -> int:
    """Write or check the index, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if stale")
    text = index_text()
    if not parser.parse_args().check:
        INDEX.write_text(text, encoding="utf-8")
    elif INDEX.read_text(encoding="utf-8") != text:
        print(f"{INDEX.relative_to(ROOT)} is stale; run: {COMMAND}", file=sys.stderr)
        return 1
    return 0


def index_text() -> str:
    """Return the index as it should be: JSON with one component to a line, for readable diffs."""
    blocks = []
    for file in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        name, summary = _json(project["name"]), _json(project["description"])
        lines = ",\n".join(f"    {_json(item)}" for item in _components(file.parent, project))
        body = f"[\n{lines}\n   ]" if lines else "[]"
        head = f'"distribution": {name},\n   "summary": {summary}'
        blocks.append(f'  {{\n   {head},\n   "components": {body}\n  }}')
    plugins = ",\n".join(blocks)
    head = f'"schema": {SCHEMA},\n "examples": {_json(EXAMPLES)}'
    return f'{{\n {head},\n "plugins": [\n{plugins}\n ]\n}}\n'


def _components(folder: Path, project: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a plugin offers, in the order of its hooks' names."""
    sys.path.insert(0, str(folder / "src"))
    for path in project.get("entry-points", {}).get("matsciml.plugins", {}).values():
        module = import_module(path)
        for name in sorted(vars(module)):
            hook = vars(module)[name]
            # Hooks that offer something take no arguments; the others concern a run.
            if name.startswith("matsciml_") and not hook.__code__.co_argcount:
                yield from (_component(spec) for spec in hook() if isinstance(spec, Spec))


def _component(spec: Spec) -> dict[str, Any]:
    item: dict[str, Any] = {"kind": spec.kind, "name": spec.name, "summary": spec.summary}
    if isinstance(spec, CommandSpec):
        item["group"] = spec.group
    if spec.requires:
        item |= {"requires": spec.requires, "requires_note": spec.requires_note}
    if isinstance(spec, ReaderSpec):
        patterns = ("suffixes", "file_names", "folder_files")
        item |= {name: getattr(spec, name) for name in patterns if getattr(spec, name)}
    if isinstance(spec, DatasetSpec) and spec.tasks:
        item["tasks"] = [asdict(task) for task in spec.tasks]
    return item


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())

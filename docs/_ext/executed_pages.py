"""Sphinx extension: builds executed pages side by side, and shows cells as a reader types them.

A notebook marks a shell command by ``!``, and a file to be written by ``%%writefile``. In a
terminal ``!`` means something else, so commands are shown without it, and a file has its name
above it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes

_HEAD = "---\nfile_format: mystnb"
_FILE = re.compile(r"%%writefile (-a )?(\S+)\n")


def setup(app: Any) -> dict[str, bool]:
    """Take part before pages are read, and after each was."""
    app.connect("env-before-read-docs", spread)
    app.connect("doctree-read", show_as_typed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def spread(app: Any, env: Any, names: list[str]) -> None:
    """Put executed pages at even distances among the others.

    Sphinx gives each of its processes runs of neighbours. In alphabetical order one process would
    execute nearly all pages, and the other none.

    Args:
        app: Sphinx; not needed.
        env: Knows where pages are.
        names: Names of the pages to be read; put into another order.
    """
    del app
    executed = [name for name in names if is_executed(Path(env.doc2path(name)))]
    others = [name for name in names if name not in set(executed)]
    place = {
        name: (number + 0.5) / len(group)
        for group in (executed, others)
        for number, name in enumerate(group)
    }
    names.sort(key=place.__getitem__)


def is_executed(page: Path) -> bool:
    """Return whether the build executes a page."""
    return page.read_text("utf-8").startswith(_HEAD)


def show_as_typed(app: Any, document: nodes.document) -> None:
    """Change the cells of a page.

    Args:
        app: Sphinx; not needed.
        document: The page; sources of its cells are replaced, outputs stay.
    """
    del app
    for source in list(document.findall(_is_source)):
        for block in list(source.findall(nodes.literal_block)):
            text = block.astext()
            file = _FILE.match(text)
            if file is not None:
                block.replace_self(_file(document, text[file.end() :], file[2], bool(file[1])))
                _remove_output(source)  # "Writing …"
            elif all(line.startswith("!") for line in text.splitlines()):
                block.replace_self(_literal(text[1:].replace("\n!", "\n"), "sh"))


def _is_source(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and "cell_input" in node["classes"]


def _file(document: nodes.document, text: str, name: str, is_appended: bool) -> nodes.container:
    """Return a block below the name of the file that it is written to."""
    language = "yaml" if name.endswith((".yaml", ".yml")) else "python"
    block = nodes.container("", literal_block=True, classes=["literal-block-wrapper"])
    block += nodes.caption("", f"{name} (append)" if is_appended else name)
    block += _literal(text, language)
    document.note_implicit_target(block)  # Sphinx wants an id for whatever has a caption
    return block


def _remove_output(source: nodes.Element) -> None:
    for one in list(source.parent.children):
        if isinstance(one, nodes.container) and "cell_output" in one["classes"]:
            source.parent.remove(one)


def _literal(text: str, language: str) -> nodes.literal_block:
    # Sphinx colours a block only where its source is its text.
    return nodes.literal_block(text, text, language=language)

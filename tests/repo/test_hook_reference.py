"""Every hook is documented with its exact signature, and tested."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from matsciml_core.registry.hooks import MatSciMLSpecs
from matsciml_tool_benchmark.hooks import BenchmarkHooks
from matsciml_tool_report.hooks import ReportHooks
from matsciml_util_pages.folder_pages import FolderPageHooks

SPECIFICATIONS: dict[str, Any] = {
    name: function
    for holder in (MatSciMLSpecs, BenchmarkHooks, FolderPageHooks, ReportHooks)
    for name, function in vars(holder).items()
    if name.startswith("matsciml_")
}
"""Name of each hook, of the core and of the tools here → its specification."""
HOOKS = list(SPECIFICATIONS)

pytest.importorskip("sphinx", reason="the reference is made with Sphinx: pip install -e '.[docs]'")


@pytest.fixture(scope="module")
def page() -> str:
    from hook_reference import hooks_markdown

    return hooks_markdown()


def written_signature(name: str) -> str:
    """Return a hook's signature as its source has it, without ``self``."""
    source = inspect.getsource(SPECIFICATIONS[name])
    head = source[source.index("def ") + 4 : source.index(":\n")]
    return re.sub(r"\(self(, )?", "(", " ".join(head.split()))


def test_there_are_hooks():
    assert len(HOOKS) >= 8


def test_hooks_of_all_tools_are_tested_here(registry):
    assert {name for record in registry.plugins for name in record.hookspecs} <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_the_reference_has_a_heading_with_the_exact_signature(page, name):
    assert f"### `{written_signature(name)}`\n" in page


@pytest.mark.parametrize("name", HOOKS)
def test_the_reference_has_the_whole_docstring(page, name):
    text = inspect.getdoc(SPECIFICATIONS[name])
    assert text in page
    assert "@hookimpl" in text, "a hook's docstring carries an example"
    assert "versionadded" in text


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_named_by_its_kind(name):
    # "Pretrained" is a participle, which has no plural.
    plural = name.endswith(("s", "_pretrained"))
    assert plural or name.startswith(("matsciml_before_", "matsciml_after_"))


@pytest.mark.parametrize("name", HOOKS)
def test_a_test_uses_the_hook(root: Path, name):
    files = [*root.glob("tests/**/*.py"), *root.glob("plugins/*/tests/**/*.py")]
    users = [file for file in files if file != Path(__file__) and name in file.read_text("utf-8")]
    assert users, f"no test mentions {name}"


def test_every_record_that_hooks_exchange_is_documented(page):
    annotations = {
        str(annotation)
        for name in HOOKS
        for annotation in SPECIFICATIONS[name].__annotations__.values()
    }
    records = set(re.findall(r"\w+(?:Spec|Info|Result)", " ".join(annotations)))
    assert len(records) >= 8
    for record in records:
        assert f"#### `{record}`" in page


def test_the_page_is_included(root: Path):
    page = (root / "docs" / "reference" / "hooks.md").read_text("utf-8")
    assert "{include} generated/parts/hooks.md" in page

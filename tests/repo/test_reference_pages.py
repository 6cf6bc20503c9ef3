"""The parts of the reference that are made from the code are whole."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, PositiveInt

from matsciml_core import Config
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.units import UNITS
from matsciml_core.training.config import RunConfig, SplitConfig, TrainingConfig

ROOT = Path(__file__).parents[2]
MODULES = sorted(file.stem for file in (ROOT / "docs" / "_ext").glob("*_reference.py"))

pytest.importorskip("sphinx", reason="the reference is made with Sphinx: pip install -e '.[docs]'")


class ExampleConfig(Config):
    """Settings of every kind."""

    width: PositiveInt = 64
    """Width, dimensionless."""
    cutoff: float | None = Field(default=None, gt=0, le=10)
    """Longest edge, Å; null:
    none."""
    shape: Literal["round", "square"] = "round"
    sizes: tuple[PositiveInt, ...] = (1, 2)


@pytest.mark.parametrize("name", [*MODULES, "markdown_tables"])
def test_examples_of_the_extensions(name):
    results = doctest.testmod(import_module(name))
    assert not results.failed


def rows_of(table: str) -> dict[str, list[str]]:
    """Return the rows of a Markdown table by their first cell."""
    cells = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()]
    return {row[0]: row[1:] for row in cells}


def test_a_table_of_settings():
    from config_reference import config_table

    rows = rows_of(config_table(ExampleConfig))
    assert rows["`width`"] == ["integer > 0", "`64`", "Width, dimensionless."]
    assert rows["`cutoff`"] == ["number > 0 ≤ 10 or null", "`null`", "Longest edge, Å; null: none."]
    assert rows["`shape`"][:2] == ["`round`, `square`", "`round`"]
    assert rows["`sizes`"][:2] == ["list of integer > 0", "`[1, 2]`"]


@pytest.mark.parametrize("model", [RunConfig, TrainingConfig, SplitConfig])
def test_every_setting_of_a_run_is_in_the_reference_and_explained(model):
    from config_reference import configs_markdown

    rows = rows_of(configs_markdown())
    for name in model.model_fields:
        assert rows[f"`{name}`"][-1], f"{model.__name__}.{name} has no docstring"


def test_the_schema_describes_a_run():
    from config_reference import run_config_schema

    schema = run_config_schema()
    assert schema["properties"].keys() == RunConfig.model_fields.keys()
    assert schema["required"] == ["datasets", "encoder"]
    assert not schema["additionalProperties"]


def test_every_setting_of_a_plugin_is_in_the_reference_and_explained(plugin, plugins_page):
    for spec, _ in build_registry(only=[plugin.name]).components():
        model = spec.load_config()
        for name, field in (model.model_fields if model else {}).items():
            assert field.description, f"{spec.name}: {name} has no docstring"
            assert f"\n| `{name}` | " in plugins_page


def test_every_dataset_is_in_the_reference_with_what_to_know_about_it(plugin, datasets_page):
    from markdown_tables import inline

    specs = [spec for spec, _ in build_registry(only=[plugin.name]).components("dataset")]
    for spec in specs:
        section = datasets_page.partition(f"(dataset-{spec.name})=\n")[2].partition("\n(dataset-")[
            0
        ]
        assert spec.licence
        assert spec.references
        assert spec.extent or spec.size, f"{spec.name} does not say how much there is"
        assert spec.known_problems, f"{spec.name} does not say what is wrong with it"
        for text in (spec.source, spec.licence, spec.extent, *spec.splits.values()):
            assert inline(text) in section
        for info in spec.targets:
            assert f"| `{info.name}` | {info.kind} | {info.unit} |" in section
        for problem in spec.known_problems:
            assert f"- {inline(problem)}" in section


def test_declared_splits_are_those_that_the_dataset_offers():
    """Of the sources, only the small set of ``mp`` is here; what is fetched may have more."""
    spec = build_registry().get("dataset", "mp")
    offered = spec.load()(None).split_names
    assert next(iter(spec.splits)) == offered[0]
    assert set(offered) <= set(spec.splits)


def test_every_command_has_a_page(command_pages):
    from command_line_reference import commands, subcommands

    assert command_pages.keys() == {f"{name}.md" for name in commands()}
    for name, (_, distribution) in commands().items():
        page = command_pages[f"{name}.md"]
        assert page.startswith(f"# `matsciml {name}`\n\nPart of ")
        assert f"```text\nUsage: matsciml {name} " in page
        assert distribution == "matsciml" or f"Part of `{distribution}`." in page
        for inner in subcommands(name):
            assert f"## `matsciml {name} {inner}`\n\n```text\nUsage: matsciml {name} " in page
    assert "fetch" in subcommands("data")


def test_every_command_is_in_the_overview_and_in_the_contents():
    from command_line_reference import command_line_markdown, commands

    page = command_line_markdown()
    for name, (spec, distribution) in commands().items():
        row = f"[`matsciml {name}`](commands/{name}.md) | {spec.summary} | `{distribution}` |"
        assert f"| {row}" in page.partition(f"## {spec.group}\n")[2].partition("\n## ")[0]
        assert f"\ncommands/{name}\n" in page


def test_the_page_of_a_command_leads_to_where_it_is_used(command_pages):
    assert "](../../how-to/use-a-trained-model.md)" in command_pages["predict.md"]
    data = command_pages["data.md"]
    fetching = data.partition("## `matsciml data fetch`")[2].partition("\n## ")[0]
    assert "](../../how-to/fetch-a-dataset.md)" in fetching
    assert "](../../how-to/use-your-own-data.md)" not in fetching


def test_pages_that_are_written_replace_older_ones(tmp_path):
    from command_line_reference import commands
    from reference_pages import write_pages

    (tmp_path / "commands").mkdir()
    (tmp_path / "commands" / "gone.md").write_text("# Gone")
    write_pages(tmp_path / "commands")
    assert {file.stem for file in (tmp_path / "commands").iterdir()} == set(commands())


def test_every_unit_is_in_the_reference():
    from unit_reference import units_markdown

    assert rows_of(units_markdown()).keys() >= {f"`{unit}`" for unit in UNITS}


def test_every_environment_variable_is_in_the_reference(sources):
    found = set(re.findall(r'"(MATSCIML_[A-Z]+)"', "\n".join(sources.values())))
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert len(found) >= 4
    assert not {name for name in found if f"`{name}`" not in page}


def test_every_page_is_in_the_contents():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = {line for line in index.splitlines() if re.fullmatch(r"[a-z-]+/[a-z-]+", line)}
    pages = {
        file.relative_to(ROOT / "docs").with_suffix("").as_posix()
        for file in (ROOT / "docs").glob("*/*.md")
    }
    assert listed == pages


def test_links_between_files_lead_somewhere(own_text):
    links = [
        (path, target)
        for path, text in own_text.items()
        if path.endswith(".md") and "/templates/" not in path
        for target in links_in(text)
    ]
    assert len(links) > 30
    broken = [
        (path, target)
        for path, target in links
        if "://" not in target and not (ROOT / path).parent.joinpath(target).exists()
    ]
    assert not broken


def links_in(text: str) -> list[str]:
    """Return the targets of the links of a Markdown file, without anchors."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(\s*([^)\s#]+)", prose)


def test_a_plugins_readme_is_part_of_its_reference(plugin, plugins_page):
    paragraph = (plugin.folder / "README.md").read_text("utf-8").split("\n\n")[1]
    assert paragraph.split("[")[0].strip() in plugins_page  # links to files become text


def test_the_run_folder_page_lists_what_the_program_writes():
    from run_folder_reference import documented

    constants = (ROOT / "matsciml_core/training/run_folder.py").read_text("utf-8")
    names = re.findall(r'^[A-Z_]+ = "([\w-]+\.(?:yaml|csv|json|html))"', constants, re.MULTILINE)
    assert len(names) >= 4
    assert set(names) <= set(documented("Files"))

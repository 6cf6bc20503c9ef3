"""Sections of the report that other plugins offer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from matsciml_core import build_registry
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_report.hooks import ReportSectionSpec
from matsciml_tool_report.report import write_report
from matsciml_tool_report.sections import SECTIONS
from matsciml_util_pages.testing.documents import Document, read_document
from matsciml_util_pages.testing.example_runs import ExampleRun

PLUGIN = """
    from matsciml_core import hookimpl

    @hookimpl(optionalhook=True)
    def matsciml_report_sections():
        from matsciml_tool_report.hooks import ReportSectionSpec

        yield ReportSectionSpec(
            name="{name}",
            title="Errors by <size>",
            summary="The error against the size of the crystal.",
            class_path="{{package}}.section:section",
            {more}
        )
"""
SECTION = """
    from matsciml_util_pages import svg
    from matsciml_util_pages.plots import Figures, Plot
    from matsciml_util_pages.views import Heading

    def section(run):
        with svg.plot_settings():
            figure, axes = svg.new_axes()
            for values in run.predictions.values():
                axes.scatter(values.labels, values.errors, color=svg.MODEL)
            plot = Plot("Errors", svg.to_svg(figure, "Errors against labels."), "No trend & more.")
        return [Heading(run.name), Figures([plot])]
"""


@pytest.fixture
def report(plugin_folder: PluginFolder, run: ExampleRun):
    """Give a function that writes the report with the section of a plugin, and reads the page."""

    def write(text: str = SECTION, *, name: str = "mine", more: str = "") -> Document:
        source = PLUGIN.format(name=name, more=more)
        plugin_folder.add("matsciml-tool-mine", source, modules={"section": text})
        return read_document(write_report(run.write(), build_registry()))

    return write


def titles(page: Document) -> list[str]:
    """Return the headings of the sections, in their order."""
    return [" ".join(one.text.split()) for one in page.find("h2", "content")]


def test_own_sections_come_through_the_hook(registry) -> None:
    offered = registry.specs(ReportSectionSpec.kind)
    assert {spec.name for spec in SECTIONS} <= {spec.name for spec in offered}
    assert {registry.record_of(spec).distribution for spec in SECTIONS} == {"matsciml-tool-report"}
    assert all(callable(spec.load()) for spec in SECTIONS)


def test_the_section_of_another_plugin_follows_the_predictions(report, run: ExampleRun) -> None:
    page = report()
    assert titles(page) == [
        "Metrics", "Learning", "Predictions", "Errors by <size>", "Data", "Model", "Cost",
        "Provenance", "Citation",
    ]  # fmt: skip
    assert page.text("a", href="#mine") == ["Errors by <size>"]
    assert page.text("h3", "mine") == [run.path.name]
    (figure,) = page.find("svg", "mine")
    assert figure.attributes["aria-label"] == "Errors against labels."
    assert page.text("figcaption", "mine") == ["No trend & more."]


def test_a_section_says_where_it_stands(report) -> None:
    assert titles(report(more="order=95,"))[-2:] == ["Citation", "Errors by <size>"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def section(run): return 1 / 0", "ZeroDivisionError: division by zero"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("def another(run): return []", "section"),
        ("def section(run): return None", "TypeError: 'NoneType' object is not iterable"),
        ("def section(run): return ['text']", "UndefinedError"),
        ("def section(run): yield <", "SyntaxError"),
    ],
    ids=["raises", "cannot be imported", "no such function", "nothing", "no view", "no Python"],
)
def test_a_section_that_fails_is_a_sentence(report, text: str, reason: str) -> None:
    page = report(text)
    assert titles(page)[3] == "Errors by <size>"
    (sentence,) = page.text("p", "mine", class_="absent")
    assert sentence.startswith("This section, of matsciml-tool-mine, could not be written (")
    assert reason in sentence
    assert page.find("svg", "predictions"), "the other sections are whole"


def test_a_section_with_a_requirement_that_is_not_installed(report) -> None:
    page = report(more="requires=('matsciml-no-such-thing',),")
    (sentence,) = page.text("p", "mine", class_="absent")
    assert "pip install 'matsciml-no-such-thing'" in sentence


def test_two_plugins_with_one_name(report, plugin_folder: PluginFolder) -> None:
    source = PLUGIN.format(name="mine", more="")
    plugin_folder.add("matsciml-tool-other", source, modules={"section": SECTION})
    page = report()
    (sentence,) = page.text("p", "mine", class_="absent")
    assert "matsciml-tool-mine" in sentence
    assert "matsciml-tool-other" in sentence


def test_ctrl_c_is_not_taken_for_a_failure(report) -> None:
    with pytest.raises(KeyboardInterrupt):
        report("def section(run): raise KeyboardInterrupt")


def test_a_plugin_with_a_section_works_without_this_tool(
    plugin_folder: PluginFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = PLUGIN.format(name="mine", more="")
    plugin_folder.add("matsciml-tool-mine", source, modules={"section": SECTION})
    # As where this tool is not installed: neither its hook nor its modules are there.
    monkeypatch.setitem(sys.modules, "matsciml_tool_report.hooks", None)
    registry = build_registry(path=plugin_folder.search)
    (record,) = (one for one in registry.plugins if one.entry_point == "mine")
    assert record.state == "ok"
    assert not record.specs

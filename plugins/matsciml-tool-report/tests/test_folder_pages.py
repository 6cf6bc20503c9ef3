"""Report, comparison and leaderboard as tools show them that serve folders of runs."""

from __future__ import annotations

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_report.folder_pages import comparison, leaderboard, report
from matsciml_tool_report.offers import PAGES
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import render
from matsciml_util_pages.testing.documents import Document


@pytest.fixture
def subject(registry, tmp_path):
    """A function that returns what a page is about."""

    def of(folder, runs=()):
        return PageSubject(
            folder=folder, runs=runs, registry=registry, address=lambda run: f"/to/{run.name}"
        )

    return of


def test_a_run_that_trains_has_a_report_that_says_so(subject, add_run, undrawn):
    folder = add_run("live", finished=False)
    page = report(subject(folder))
    assert page.notices == ["This run has not finished; its numbers may change."]
    assert page.title == "net on toy"
    assert "learning" in [section.anchor for section in page.sections]


def test_a_summary_that_cannot_be_read_is_named(subject, add_run, undrawn):
    folder = add_run("torn")
    (folder / "run.json").write_text('{"status": "fin')
    assert "run.json could not be read" in report(subject(folder)).notices[0]


def test_the_file_in_the_folder_is_not_shown_and_stays(subject, add_run, undrawn):
    folder = add_run("strange")
    (folder / "report.html").write_text("<script>mine</script>")
    assert "mine" not in render(report(subject(folder)))
    assert (folder / "report.html").read_text() == "<script>mine</script>"


def test_pages_of_many_runs_lead_to_their_reports(subject, add_run, undrawn, tmp_path):
    runs = [
        add_run("a"),
        add_run("b", encoder="other"),
        add_run("c", finished=False),
    ]
    for draw, expected in ((comparison, {"a", "b", "c"}), (leaderboard, {"a", "b"})):
        page = Document(render(draw(subject(tmp_path, runs))))
        links = {link.attributes["href"] for link in page.find("a")}
        assert {f"/to/{name}" for name in expected} <= links


def test_the_newest_runs_are_compared_and_the_rest_counted(subject, add_run, undrawn, tmp_path):
    runs = [add_run(f"run-{number}", epochs=1) for number in range(42)]
    page = comparison(subject(tmp_path, runs))
    assert page.notices[0] == "The newest 40 runs are compared, 2 older ones are not."
    assert page.title == "40 runs compared"


def test_without_a_run_to_show_it_says_what_to_do(subject, add_run, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "segments.json").write_text("{}")
    with pytest.raises(ConfigError, match="There is no run yet; make one with 'matsciml run'"):
        comparison(subject(tmp_path, [begun]))
    with pytest.raises(ConfigError, match="None of these runs is finished"):
        leaderboard(subject(tmp_path, [add_run("live", finished=False)]))


def test_every_page_has_its_function(registry):
    for spec in PAGES:
        assert callable(spec.load())

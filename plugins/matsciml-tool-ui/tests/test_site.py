"""What the pages show of a folder, whatever lies in it."""

from __future__ import annotations

import json
import os
import time

import pytest

from matsciml_util_pages.testing.documents import Document


def overview(site):
    return Document(site.overview().html)


def row_of(page, name):
    (row,) = [row for row in page.rows("runs") if row[0].startswith(name)]
    return row


def test_the_first_page_has_every_run_and_how_far_it_is(make_site):
    page = overview(make_site())
    assert row_of(page, "live")[1:5] == ["training", "3 of 6", "0.612", "0.673"]
    done = row_of(page, "done")
    assert done[1:3] == ["finished", "6"]
    assert "MAE of formation energy per atom" in done[5]
    (training,) = page.rows("training")[1:]
    assert training[:2] == ["live", "3 of 6"]
    links = {link.text: link.attributes["href"] for link in page.find("a", within="runs")}
    assert links == {"live": "/page/report/live", "done": "/page/report/done"}


def test_an_epoch_more_is_seen_at_the_next_look(make_site, root, add_epochs):
    site = make_site()
    before = site.overview()
    assert site.overview().mark == before.mark
    add_epochs(root / "live", 4)
    after = site.overview()
    assert after.mark != before.mark
    assert row_of(Document(after.html), "live")[2] == "4 of 6"


def test_a_run_that_has_written_nothing_for_long_is_silent(make_site):
    page = overview(make_site(clock=lambda: time.time() + 3600))
    assert row_of(page, "live")[1] == "silent"
    assert row_of(page, "done")[1] == "finished"
    assert page.find("section", id="training") == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", '{"status": "fin'),
        ("metrics.csv", "epoch,step,train/loss\n0,1,0.5\n1,2"),
        ("metrics.csv", "epoch,train/loss\n0,1,2,3\n"),
        ("metrics.csv", "epoch,train/loss\nnone,words\n"),
        ("metrics.csv", ""),
        ("config.yaml", "training: {epochs: ["),
        ("config.yaml", b"\xff\xfe\x00"),
    ],
)
def test_a_torn_file_is_not_readable_yet(make_site, root, name, content):
    text = content if isinstance(content, bytes) else content.encode()
    (root / "live" / name).write_bytes(text)
    state = row_of(overview(make_site()), "live")[1]
    assert state == f"unreadable{name}: not readable yet"


@pytest.mark.parametrize("content", ["[]", "{}", '{"status": 3, "metrics": []}', "{}\n" * 2])
def test_a_summary_of_something_else_harms_nothing(make_site, root, content):
    (root / "live" / "run.json").write_text(content)
    assert "live" in row_of(overview(make_site()), "live")[0]


def test_an_empty_folder_waits_for_its_first_run(make_site, tmp_path, add_run):
    empty = tmp_path / "empty"
    empty.mkdir()
    site = make_site(empty)
    assert "There is no run yet" in overview(site).section("runs")
    add_run(empty / "first")
    assert row_of(overview(site), "first")[1] == "training"


def test_a_folder_that_goes_away_is_empty(make_site, root):
    site = make_site()
    site.overview()
    root.rename(root.with_name("elsewhere"))
    assert "There is no run yet" in overview(site).section("runs")
    assert site.page("report", "done") is None


def test_a_run_folder_is_a_folder_of_one_run(make_site, root):
    site = make_site(root / "done")
    assert row_of(overview(site), ".")[1] == "finished"
    assert "report of done" in site.page("report", "").html


def test_a_link_is_not_followed_and_a_run_with_one_is_not_drawn(make_site, root, tmp_path, add_run):
    outside = add_run(tmp_path / "outside")
    (outside / "notes.txt").write_text("a secret")
    (root / "linked").symlink_to(outside)
    (root / "live" / "notes.txt").symlink_to(outside / "notes.txt")
    site = make_site()
    page = overview(site)
    assert "2 links in the folder led elsewhere; none is followed." in page.source
    assert "linked" not in page.section("runs")
    assert site.page("report", "linked") is None
    shown = site.page("report", "live").html
    assert "notes.txt&#39; is a link" in shown
    assert "a secret" not in shown
    assert "live" not in Document(site.page("all", "").html).section("one")


@pytest.mark.parametrize("target", ["..", "/etc", "../outside", "nothing", "done/checkpoints"])
def test_latest_leads_to_a_folder_beside_it_and_nowhere_else(
    make_site, root, tmp_path, target, add_run
):
    add_run(tmp_path / "outside")
    (root / "latest").unlink()
    (root / "latest").symlink_to(target)
    assert "1 link in the folder led elsewhere" in overview(make_site()).source


def test_a_pipe_is_not_waited_for(make_site, root):
    os.mkfifo(root / "live" / "config.yaml.pipe")
    assert "is a link, a device or a pipe" in make_site().page("report", "live").html


def test_pages_about_all_runs_have_those_that_are_part_of_nothing(make_site, root, add_run):
    (root / "search" / "0000").mkdir(parents=True)
    (root / "search" / "group.json").write_text("{}")
    add_run(root / "search" / "0000" / "trial")
    site = make_site()
    section = Document(site.page("all", "").html).section("one")
    assert "done at /page/report/done" in section
    assert "trial" not in section
    page = overview(site)
    assert row_of(page, "search/0000/trial")[7] == "search"
    (group,) = page.rows("groups")[1:]
    assert group[:3] == ["search", "Group", "1"]


def test_what_a_page_raises_is_a_sentence_on_it(make_site, root):
    (root / "group.json").write_text("{}")
    page = make_site().page("group", "").html
    assert "Not readable yet. ZeroDivisionError: no &lt;luck&gt;" in page


def test_a_page_is_drawn_again_only_when_a_file_has_changed(make_site, root, monkeypatch):
    site, calls = make_site(), []
    real = site.registry.get
    monkeypatch.setattr(site.registry, "get", lambda *names: calls.append(names) or real(*names))
    site.page("report", "done")
    site.page("report", "done")
    assert len(calls) == 1
    for name in ("events.out.tfevents.1", "last.ckpt", ".lock"):
        (root / "done" / name).write_text("at every step")
    site.page("report", "done")
    assert len(calls) == 1
    (root / "done" / "notes.txt").write_text("new")
    assert "new" in site.page("report", "done").html
    assert len(calls) == 2


def test_hostile_names_are_words(make_site, root, add_run):
    name = 'a"><script>alert(1)<#?% \u202eé'
    add_run(root / name)
    site = make_site()
    html = site.overview().html
    assert html.count("<script>") == 1
    assert "\u202e" not in html
    assert site.page("report", name) is not None
    (address,) = [
        link.attributes["href"]
        for link in Document(html).find("a", within="runs")
        if "script" in link.text
    ]
    assert address == "/page/report/a%22%3E%3Cscript%3Ealert%281%29%3C%23%3F%25%20%E2%80%AE%C3%A9"


def test_names_that_are_no_text_are_passed_over(make_site, root):
    try:
        os.mkdir(os.fsencode(root) + b"/\xff")
    except OSError:
        pytest.skip("this file system takes text for names only")
    assert make_site().overview().html


LONG = "1" + "0" * 400
"""An integer that no number of a machine holds."""


@pytest.mark.parametrize("minutes", ["null", LONG, ".inf", "-5", "[1]", "soon"])
def test_numbers_that_mean_nothing_harm_nothing(make_site, root, minutes):
    (root / "live" / "config.yaml").write_text(
        'encoder: {name: "\\ud800 <b>"}\n'
        "datasets: [3, {name: [1]}, {name: null}]\n"
        f"training: {{epochs: {LONG}, minutes: {minutes}}}\n"
    )
    rows = "epoch,seconds,train/loss\n0,nan,inf\n1,inf,1e308\n2,-inf,1\n"
    (root / "live" / "metrics.csv").write_text(rows)
    summary = {"metrics": {"test": {"a/b": {"mae": 10**400, "unit": 3}, "c": None}}}
    (root / "done" / "run.json").write_text(json.dumps(summary))
    page = overview(make_site())
    assert row_of(page, "live")[1] == "training"
    assert row_of(page, "done")[5] == "—"


@pytest.mark.parametrize("time", [2**41, -(2**33)])
def test_a_time_beyond_any_calendar_is_absent(make_site, root, time):
    for file in (root / "live").iterdir():
        os.utime(file, (time, time))
    assert row_of(overview(make_site()), "live")[0].startswith("live")


def test_a_folder_with_many_others_is_looked_at_in_one_pass(make_site, root, add_run):
    for number in range(30):
        (root / f"sweep-{number}" / "trials" / "0000").mkdir(parents=True)
    site = make_site()
    site.overview()
    index = site._index[1]
    assert index.changed("") == max(index.changed("live"), index.changed("done"))
    assert index.stamp(["live"]) != index.stamp(["done"])
    assert index.stamp([""]) == index.stamp(["live", "done"])


PATTERN = """
    from matsciml_core import hookimpl

    @hookimpl(optionalhook=True)
    def matsciml_folder_pages():
        from matsciml_util_pages.folder_pages import FolderPageSpec

        for name, holds in (("beside", False), ("around", True)):
            yield FolderPageSpec(
                name=name,
                title=name.title(),
                summary="A page.",
                class_path="{package}.pages:" + name,
                files=(f"*.{name}.json",),
                holds_runs=holds,
            )
"""


class TestFilesByPattern:
    @pytest.fixture
    def index_of(self, plugin_folder, root):
        from matsciml_core import build_registry
        from matsciml_tool_ui.index import Index
        from matsciml_tool_ui.scan import scan

        plugin_folder.add("matsciml-tool-ui", "from matsciml_tool_ui.plugin import *\n")
        plugin_folder.add("matsciml-tool-pattern", PATTERN)
        registry = build_registry(path=plugin_folder.search)
        return lambda: Index(root, scan(root), registry.specs("folder-page"))

    def test_a_pattern_marks_a_folder(self, index_of, root):
        (root / "mine.beside.json").write_text("{}")
        assert [spec.name for spec in index_of().pages("")] == ["beside"]

    def test_runs_below_are_parts_only_where_the_page_says_so(self, index_of, root):
        (root / "mine.beside.json").write_text("{}")
        assert index_of().group_of("done") is None
        (root / "mine.around.json").write_text("{}")
        assert index_of().group_of("done") == ""

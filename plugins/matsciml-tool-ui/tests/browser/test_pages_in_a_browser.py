"""The pages of a folder in a real browser, with a run training beside it."""

from __future__ import annotations

import shutil
import time

import pytest

from matsciml_core import build_registry
from matsciml_tool_ui.site import Site

pytest.importorskip("matsciml_tool_report", reason="the report of a run is of another plugin")

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
EPOCHS = "document.querySelector('#training tbody tr td').innerText"
CURVE = "document.querySelector('#learning svg.plot').getAttribute('aria-label')"


@pytest.fixture(scope="module")
def installed():
    return build_registry()


@pytest.fixture
def address(browser, serve, root, installed):
    yield serve(Site(root.resolve(), installed, seconds=0.05)).address
    browser.open("about:blank")  # a page that asked on would trouble the next test


def wait_until(browser, script, expected):
    """Wait until a page says something by itself."""
    deadline = time.monotonic() + 300
    while (value := browser.run(script)) != expected:
        assert time.monotonic() < deadline, value
        time.sleep(0.05)


def go(browser, path, **window):
    """Open another page of the site, as the same visitor."""
    start = browser.run("location.origin")
    browser.open(f"{start}{path}", **window)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_first_page_fits_can_be_read_and_follows_a_run(
    browser, address, root, add_epochs, width, dark
):
    browser.open(address, width=width, dark=dark)
    assert browser.run("location.search") == ""
    assert browser.run(EPOCHS) == "3 of 6"
    assert browser.run(TOO_WIDE) <= 0
    ratio, text = browser.worst_contrast()
    assert ratio >= 4.5, text
    add_epochs(root / "live", 4)
    wait_until(browser, EPOCHS, "4 of 6")
    assert browser.run(TOO_WIDE) <= 0
    assert browser.troubles == []
    origin = browser.run("location.origin")
    assert all(request.startswith(f"{origin}/") for request in browser.requests)


def test_a_report_draws_each_epoch_and_the_end(browser, address, root, add_epochs, add_run):
    browser.open(address)
    browser.run("document.querySelector('#runs a[href$=live]').click()")
    wait_until(browser, "document.title.includes('MatSciML report')", True)
    before = browser.run(CURVE)
    assert "This run has not finished" in browser.run("document.querySelector('header').innerText")
    add_epochs(root / "live", 5)
    wait_until(browser, f"{CURVE} !== {before!r}", True)
    finished = add_run(root.parent / "finished", epochs=6, finished=True)
    for name in ("predictions-test.csv", "metrics.csv", "run.json"):
        shutil.copy(finished / name, root / "live" / name)
    wait_until(browser, "document.querySelectorAll('#predictions svg.plot').length > 0", True)
    assert "has not finished" not in browser.run("document.querySelector('header').innerText")
    assert browser.troubles == []


def test_what_a_reader_has_chosen_stays_when_the_page_changes(
    browser, address, root, add_run, add_epochs
):
    for name in ("a", "b", "c"):
        add_run(root / name)
    browser.open(address)
    browser.run("document.querySelector('#runs th[data-key=epochs] .sort').click()")
    browser.run("document.querySelector('#runs .search').focus()")
    for letter in "meg":
        browser.press(letter, letter)
    browser.run("scrollTo(0, 200)")
    add_epochs(root / "live", 4)
    row = "document.querySelector('#runs a[href$=live]').closest('tr')"
    wait_until(browser, f"{row}.querySelector('.key-epochs').innerText", "4 of 6")
    assert browser.run("document.activeElement.value") == "meg"
    assert browser.run("document.activeElement.selectionStart") == 3
    assert browser.run("document.querySelector('#runs .shown').innerText") == "5 of 5 rows"
    sorted_by = "document.querySelector('#runs th[aria-sort]').dataset.key"
    assert browser.run(sorted_by) == "epochs"
    orders = "[...document.querySelectorAll('#runs td.key-epochs')].map(one => +one.dataset.order)"
    assert browser.run(orders) == [3, 3, 3, 4, 6]
    assert browser.run("scrollY") > 0
    assert browser.troubles == []


@pytest.mark.parametrize(("page", "dark"), [("comparison", False), ("leaderboard", True)])
def test_pages_about_all_runs_lead_to_reports(browser, address, page, dark):
    browser.open(address, width=390, dark=dark)
    go(browser, f"/page/{page}/", width=390, dark=dark)
    assert browser.run(TOO_WIDE) <= 0
    assert (
        browser.run("document.querySelector('.site [aria-current]').innerText.toLowerCase()")
        == page
    )
    links = "[...document.querySelectorAll('tbody th a')].map(one => one.getAttribute('href'))"
    assert "/page/report/done" in browser.run(links)
    ratio, text = browser.worst_contrast()
    assert ratio >= 4.5, text
    assert browser.troubles == []


def test_a_page_says_when_the_server_has_ended(browser, serve, root, installed):
    served = serve(Site(root.resolve(), installed, seconds=0.05))
    browser.open(served.address)
    served.end()
    live = "document.getElementById('live').innerText"
    wait_until(browser, live, "The server has ended; what is shown is the last it said.")
    browser.open("about:blank")

"""What a browser finds wrong with pages, of which each has one thing wrong."""

from __future__ import annotations

import pytest

GOOD = '<svg class="plot" width="300" height="80"><circle cx="9" cy="9" r="5"/></svg>'
BROKEN = {
    '<div style="width: 1000px">wide</div>': "px too wide",
    '<p style="color: #bbb; background: #fff">pale</p>': "contrast 1.9",
    '<svg class="plot" width="300" height="80"><g></g></svg>': "plot 1 is empty",
    '<svg class="plot" width="9" height="9"><rect width="9" height="9"/></svg>': "hardly there",
    GOOD.replace('cx="9"', 'data-x="NaN"'): "plot 1 has a NaN",
    "<script>nowhere()</script>": "nowhere is not defined",
    '<img src="http://127.0.0.1:9/a.png">': "http://127.0.0.1:9/a.png",
}


def faults(browser, folder, body):
    page = folder / "page.html"
    head = '<!DOCTYPE html><meta name="viewport" content="width=device-width"><title>Page</title>'
    page.write_text(f'{head}<body style="margin: 0; background: #fff">{body}</body>', "utf-8")
    return browser.faults(page)


@pytest.mark.parametrize(("body", "fault"), BROKEN.items(), ids=BROKEN.values())
def test_each_fault_is_named(browser, tmp_path, body, fault):
    assert fault in "\n".join(faults(browser, tmp_path, body))


def test_a_sound_page_has_none(browser, tmp_path):
    assert faults(browser, tmp_path, f"<p>Text</p>{GOOD}") == []

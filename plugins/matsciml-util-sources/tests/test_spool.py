"""Pages are asked for once, whatever happens between two of them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from matsciml_core.errors import FetchError
from matsciml_util_sources.fake_server import Answer
from matsciml_util_sources.spool import Page, PageSpool

QUERY = {"address": "https://example.org", "limit": 10}


def serve(pages=5, size=3, **extra):
    asked = []

    def fetch(cursor):
        number = 0 if cursor is None else cursor
        asked.append(number)
        records = [{"id": number * size + k} for k in range(size)]
        last = number == pages - 1
        return Page(records=records, next=None if last else number + 1, **extra)

    return fetch, asked


def test_records_come_back_in_order_from_any_place(tmp_path):
    fetch, asked = serve()
    spool = PageSpool(tmp_path, QUERY)
    spool.harvest(fetch)
    everything = [record["id"] for record in spool.records()]
    assert everything == list(range(15))
    for start in range(17):
        assert [record["id"] for record in spool.records(start)] == everything[start:]
    again = PageSpool(tmp_path, QUERY)
    again.harvest(fetch)
    assert again.complete
    assert asked == [0, 1, 2, 3, 4]


def test_an_interrupted_harvest_goes_on(tmp_path):
    fetch, asked = serve()

    def failing(cursor):
        if cursor == 3:
            raise FetchError("no")
        return fetch(cursor)

    with pytest.raises(FetchError, match="no"):
        PageSpool(tmp_path, QUERY).harvest(failing)
    spool = PageSpool(tmp_path, QUERY)
    assert spool.count == 9
    spool.harvest(fetch)
    assert asked == [0, 1, 2, 3, 4]
    assert spool.count == 15


def test_a_journal_line_that_was_cut_off_does_not_count(tmp_path):
    fetch, asked = serve()
    PageSpool(tmp_path, QUERY).harvest(fetch)
    journal = tmp_path / "journal.jsonl"
    content = journal.read_bytes()
    journal.write_bytes(content[:-20])
    spool = PageSpool(tmp_path, QUERY)
    assert not spool.complete
    spool.harvest(fetch)
    assert asked[-1] == 4
    assert journal.read_bytes() == content


def test_another_query_is_refused(tmp_path):
    PageSpool(tmp_path, QUERY)
    with pytest.raises(FetchError, match="another query"):
        PageSpool(tmp_path, {**QUERY, "limit": 20})


def test_an_interface_that_never_ends_is_left(tmp_path):
    endless = PageSpool(tmp_path / "a", QUERY)
    with pytest.raises(FetchError, match="again"):
        endless.harvest(lambda cursor: Page(records=[1, 2], next=(cursor or 0) + 1))
    circle = PageSpool(tmp_path / "b", QUERY)
    numbers = iter(range(100))
    with pytest.raises(FetchError, match="again"):
        circle.harvest(lambda cursor: Page(records=[next(numbers)], next="same"))


def test_an_empty_page_ends_the_harvest(tmp_path):
    spool = PageSpool(tmp_path, QUERY)
    spool.harvest(lambda cursor: Page(records=[] if cursor else [1], next="more"))
    assert list(spool.records()) == [1]


def test_a_database_that_changes_meanwhile_is_noticed(tmp_path):
    fetch, _ = serve(snapshot="2025")
    changed, _ = serve(snapshot="2026")
    spool = PageSpool(tmp_path, QUERY)
    with pytest.raises(FetchError, match="from '2025' to '2026'"):
        spool.harvest(lambda cursor: (changed if cursor == 2 else fetch)(cursor))
    assert spool.snapshot == "2025"


def test_a_damaged_page_is_noticed(tmp_path):
    fetch, _ = serve()
    PageSpool(tmp_path, QUERY).harvest(fetch)
    page = tmp_path / "pages" / "000002.jsonl.gz"
    content = bytearray(page.read_bytes())
    content[len(content) // 2] ^= 1
    page.write_bytes(content)
    with pytest.raises(FetchError, match="damaged"):
        list(PageSpool(tmp_path, QUERY).records())


SCRIPT = """
import sys
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.spool import Page, PageSpool
client = Client(Addresses(), rates={"127.0.0.1": 1000})

def fetch(cursor):
    answer = client.get_json(sys.argv[1], {"offset": cursor or 0})
    return Page(records=answer["data"], next=answer["next"])

PageSpool(sys.argv[2], {"address": "x"}).harvest(fetch)
"""


def test_a_killed_harvest_loses_and_repeats_nothing(server, tmp_path):
    def pages(asked):
        first = int(asked.query["offset"])
        following = first + 10 if first < 390 else "null"
        data = ",".join(str(value) for value in range(first, first + 10))
        return Answer(f'{{"data": [{data}], "next": {following}}}'.encode())

    server.handlers["/api"] = pages
    server.faults["/api"] = ["ok", "503", "slow:0.05", "drop:5"] * 3
    moments = random.Random(2)
    command = [sys.executable, "-c", SCRIPT, f"{server.url}/api", str(tmp_path)]
    for _ in range(4):
        before = len(server.requests)
        process = subprocess.Popen(command)
        while len(server.requests) < before + 4 and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True)
    assert list(PageSpool(tmp_path, {"address": "x"}).records()) == list(range(400))
    offsets = [int(asked.query["offset"]) for asked in server.requests]
    assert all(two >= one for one, two in pairwise(offsets)), "a page was asked for again"

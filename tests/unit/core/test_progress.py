"""How progress tells amounts, rates and the time left."""

from __future__ import annotations

import pytest

from matsciml_cli.progress_bars import describe_progress
from matsciml_core.progress import Meter, Progress


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def meter(events: list[Progress], clock: Clock, **settings) -> Meter:
    return Meter("films", events.append, unit="crystals", clock=clock, **settings)


def test_a_share_of_what_was_read_gives_an_estimate_of_the_total_and_the_time_left():
    events: list[Progress] = []
    clock = Clock()
    counting = meter(events, clock, share=lambda: 0.25)
    clock.now = 2.0
    counting.add(100)
    assert (events[-1].total, events[-1].estimated) == (400, True)
    assert events[-1].remaining == pytest.approx(6.0)
    assert describe_progress(events[-1]) == "100 of about 400 crystals, 50 crystals/s, 0:06 left"


def test_the_estimate_of_work_that_was_resumed_counts_what_was_done_before():
    events: list[Progress] = []
    clock = Clock()
    counting = meter(events, clock, done=300, share=lambda: 0.5)
    clock.now = 1.0
    counting.add(100)
    assert events[-1].total == 800
    assert events[-1].remaining == pytest.approx(4.0)  # 400 to go at 100 per second


@pytest.mark.parametrize(
    ("settings", "total"), [({"total": 500, "share": lambda: 0.5}, 500), ({}, None)]
)
def test_only_an_unknown_total_is_estimated_and_only_from_a_known_share(settings, total):
    events: list[Progress] = []
    clock = Clock()
    counting = meter(events, clock, **settings)
    clock.now = 1.0
    counting.add(100)
    assert (events[-1].total, events[-1].estimated) == (total, False)


def test_the_last_report_holds_the_count_and_no_estimate():
    events: list[Progress] = []
    counting = meter(events, Clock(), share=lambda: 0.25)
    counting.add(100)
    counting.finish()
    assert (events[-1].done, events[-1].total, events[-1].finished) == (100, None, True)

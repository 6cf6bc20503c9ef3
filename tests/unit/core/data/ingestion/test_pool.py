"""Work in pieces comes back in order from any process, and never more than a few at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.errors import ConfigError, DataError, MissingPackageError

TWO = PoolConfig(workers=2)


def double(piece: int) -> Iterator[tuple[int, int]]:
    """Yield two numbers, the odd pieces later than the even ones."""
    time.sleep(0.02 * (piece % 2))
    yield 2 * piece, os.getpid()
    yield 2 * piece + 1, os.getpid()


def reject(piece: int) -> Iterator[int]:
    if piece == 3:
        raise DataError("Piece 3 is damaged; fetch it again.")
    yield piece


def die(piece: int) -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield piece


def numbers(pool: PoolConfig, count: int = 9) -> list[tuple[int, int]]:
    with pool.start() as executor:
        return [one for found in executor.map(double, range(count)) for one in found]


def test_a_serial_pool_does_nothing_ahead() -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    with SERIAL.start() as executor:
        results = executor.map(double, pieces())
        assert taken == []
        assert [one for one, _ in next(results)] == [0, 1]
        assert taken == [0]


def test_other_processes_do_the_work_in_order() -> None:
    found = numbers(TWO)
    assert [one for one, _ in found] == list(range(18))
    workers = {process for _, process in found}
    assert os.getpid() not in workers
    assert len(workers) == 2


def test_few_pieces_are_under_way() -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    with TWO.start() as executor:
        for done, _ in enumerate(executor.map(double, pieces()), 1):
            assert len(taken) - done <= 4


def test_an_error_of_a_worker_is_the_error() -> None:
    with (
        pytest.raises(DataError, match=r"^Piece 3 is damaged; fetch it again\.$"),
        TWO.start() as executor,
    ):
        list(executor.map(reject, range(9)))


def test_a_worker_that_dies_is_told_with_the_fix() -> None:
    reason = "ended unexpectedly; use fewer --workers"
    with pytest.raises(DataError, match=reason), TWO.start() as executor:
        list(executor.map(die, range(3)))


def test_an_unknown_launcher() -> None:
    with pytest.raises(ConfigError, match="no launcher 'slurm'; launchers: processes, ray"):
        PoolConfig(launcher="slurm")


def test_ray_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    fix = r"pip install 'matsciml\[ray\]'"
    with pytest.raises(MissingPackageError, match=fix), PoolConfig(launcher="ray").start():
        pass


@pytest.mark.parametrize(
    ("pool", "title"),
    [
        (SERIAL, "1 process"),
        (TWO, "2 processes"),
        (PoolConfig(launcher="ray"), "all workers of a Ray cluster"),
        (PoolConfig(launcher="ray", workers=3), "3 workers of a Ray cluster"),
    ],
)
def test_the_title_names_the_processes(pool: PoolConfig, title: str) -> None:
    assert pool.title == title


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_pool import TWO, forever

if __name__ == "__main__":
    with TWO.start() as executor:
        print([list(found) for found in executor.map(forever, range(2))])
"""


def forever(piece: int) -> Iterator[int]:
    """Print the id of the process, and never finish."""
    print(os.getpid(), flush=True)
    time.sleep(600)
    yield piece


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 300
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, workers))


def is_alive(process: int) -> bool:
    """Return whether a process works; one that has ended may wait to be collected."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A real Ray cluster, started on this machine."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'matsciml[ray]'")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
class TestRay:
    def test_its_workers_do_the_work_in_order(self) -> None:
        found = numbers(PoolConfig(launcher="ray"))
        assert [one for one, _ in found] == list(range(18))
        assert os.getpid() not in {process for _, process in found}

    def test_an_error_of_a_worker_is_the_error(self) -> None:
        pool = PoolConfig(launcher="ray", workers=2)
        reason = r"^Piece 3 is damaged; fetch it again\.$"
        with pytest.raises(DataError, match=reason), pool.start() as executor:
            list(executor.map(reject, range(9)))

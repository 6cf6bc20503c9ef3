"""Checks of a dataset: reading is repeatable, however and wherever it is done."""

from __future__ import annotations

import pickle
import sys
import time
import warnings
from collections import Counter
from typing import Any, cast

from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.testing.checks import Broken, Doubtful, Measured, NotApplicable, check
from matsciml_core.testing.dataset.subject import DatasetSubject, first_difference
from matsciml_core.testing.tolerances import EXACT

SLOW = 5.0
"""Milliseconds per crystal from which on a dataset slows down training."""
_PATIENCE = 120
"""Seconds until a worker process counts as hanging."""


@check("dataset", tolerance=EXACT)
def unique_ids(subject: DatasetSubject) -> Measured:
    """Every crystal has an id of its own.

    Measured: the number of ids that are empty, no strings, or used more than once.

    Why: splits are lists of ids; two crystals with one id end up in the same subset, or in two.
    """
    uses = Counter(subject.ids)
    wrong = [
        name
        for name, number in uses.items()
        if number > 1 or not (isinstance(name, str) and name.strip())
    ]
    if len(subject.ids) != len(subject.dataset):
        raise Broken(
            f"There are {len(subject.ids)} ids for {len(subject.dataset)} crystals.",
            measured=str(len(subject.ids)),
        )
    return Measured(float(len(wrong)), f"for example '{wrong[0]}'" if wrong else "")


@check("dataset")
def deterministic(subject: DatasetSubject) -> None:
    """Two instances hold the same crystals in the same order.

    Measured: all ids, and a sample of crystals with their labels, of two instances of the
    dataset built one after the other with the same settings.

    Why: an order that depends on a set, a folder listing or a random number makes seeds useless.
    """
    indices = subject.sample_indices
    first = subject.dataset.__getitems__(indices)
    # Two new ones: the first may meet the very random numbers that the subject was built with.
    for other in (subject.build(), subject.build()):
        if list(other.ids) != subject.ids:
            raise Broken("A second instance lists other ids, or the same in another order.")
        _need_same(other.__getitems__(indices), first, "Two instances")


@check("dataset")
def repeatable(subject: DatasetSubject) -> None:
    """A crystal is the same when it is read a second time.

    Measured: a sample of crystals, read twice from one instance, all fields and labels.

    Why: augmentation or wrapping inside the reader, or a cache that is written to, changes data
    from epoch to epoch.
    """
    first, second = (
        CrystalBatch.from_crystals([subject.dataset[i] for i in subject.sample_indices], targets)
        for targets in (subject.targets, subject.targets)
    )
    _need_same(second, first, "Two readings")


@check("dataset")
def batch_reading(subject: DatasetSubject) -> None:
    """Reading several crystals at once gives the same as reading them one by one, in that order.

    Measured: ``__getitems__`` against ``__getitem__`` for a list of indices that is not sorted
    and holds one index twice; all fields and labels, exactly.

    Why: training reads batches, tutorials read single crystals; both must see the same data.
    """
    spread = subject.sample_indices[:20]
    indices = [*spread[::-1], spread[0]]
    together = subject.dataset.__getitems__(indices)
    singles = [subject.dataset[index] for index in indices]
    expected = CrystalBatch.from_crystals(singles, subject.targets)
    _need_same(together, expected, "One by one and at once")
    if list(together.ids) != [subject.ids[index] for index in indices]:
        raise Broken("The ids of crystals do not agree with the dataset's list of ids.")


@check("dataset")
def index_errors(subject: DatasetSubject) -> None:
    """An index below zero, or beyond the last crystal, raises IndexError.

    Measured: ``dataset[len(dataset)]`` and ``dataset[-1]``.

    Why: Python's loops end at an IndexError; and −1, which marks missing values in this toolkit,
    must not read the last crystal.
    """
    for index in (len(subject.dataset), -1):
        try:
            subject.dataset[index]
        except IndexError:
            continue
        except Exception as error:
            raise Broken(f"dataset[{index}] raises {type(error).__name__}.") from error
        raise Broken(f"dataset[{index}] returns a crystal.")


@check("dataset")
def pickling(subject: DatasetSubject) -> str:
    """The dataset can be pickled, also after it was read from, and stays small.

    Measured: the dataset is pickled after reading, unpickled, and read again.

    Why: this is how it travels to worker processes; open files, locks and lambdas cannot.
    """
    data = pickle.dumps(subject.dataset)
    copy: Dataset = pickle.loads(data)
    indices = subject.sample_indices[:10]
    _need_same(copy.__getitems__(indices), subject.dataset.__getitems__(indices), "The copy")
    return f"{len(data) / 1e3:.0f} kB"


@check("dataset", slow=True)
def workers_fork(subject: DatasetSubject) -> None:
    """A forked worker process reads the same crystals.

    Measured: a batch read by a DataLoader's worker, started with fork, against the batch read
    here; the dataset was read from before the fork.

    Why: file handles and database environments that are inherited by a fork return wrong data
    or crash, and only sometimes.
    """
    if not sys.platform.startswith("linux"):
        raise NotApplicable("Forking is only safe on Linux.")
    _compare_with_worker(subject, "fork")


@check("dataset", slow=True)
def workers_spawn(subject: DatasetSubject) -> None:
    """A spawned worker process reads the same crystals.

    Measured: a batch read by a DataLoader's worker, started with spawn, against the batch read
    here.

    Why: spawn is the default on macOS and Windows, and what CUDA needs.
    """
    _compare_with_worker(subject, "spawn")


@check("dataset")
def reading_speed(subject: DatasetSubject) -> str:
    """Reading is fast enough to train.

    Measured: the time to read a sample as one batch, the better of two readings. Slower than
    5 ms per crystal is reported as a warning.

    Why: work that is repeated at each access, such as finding the space group, belongs into the
    script that builds the store, where it is done once.
    """
    indices = subject.sample_indices
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        subject.dataset.__getitems__(indices)
        seconds.append(time.perf_counter() - start)
    each = 1e3 * min(seconds) / len(indices)
    measured = f"{each:z.3f} ms per crystal"
    if each > SLOW:
        raise Doubtful("Reading slows down training; do repeated work once.", measured=measured)
    return measured


def _compare_with_worker(subject: DatasetSubject, method: str) -> None:
    indices = subject.sample_indices[:10]
    expected = subject.dataset.__getitems__(indices)
    loader: DataLoader[Any] = DataLoader(
        cast("TorchDataset[Any]", subject.dataset),
        batch_sampler=[indices],
        num_workers=1,
        collate_fn=_identity,
        multiprocessing_context=method,
        timeout=_PATIENCE,
    )
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork in a process with threads, and torch of what it cannot
        # pickle; the first is safe for torch's workers, the second raises anyway.
        warnings.simplefilter("ignore")
        (found,) = list(loader)
    _need_same(found, expected, f"A worker ({method}) and this process")


def _identity(batch: Any) -> Any:
    return batch


def _need_same(found: CrystalBatch, expected: CrystalBatch, who: str) -> None:
    field = first_difference(found, expected)
    if field is not None:
        raise Broken(f"{who} do not agree: '{field}' differs.")

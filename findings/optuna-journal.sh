#!/usr/bin/env bash
# Optuna 5.0.0: a journal whose last line was not written to its end is opened without a word, and can
# be read no more once anything was added to it.
#
# JournalFileBackend skips a last line without a line break when it reads, which looks like support for
# a process that was killed, or a disk that was full, in the middle of writing. It appends behind it
# without cutting it off, so that the torn line and the next one become one line that is no JSON. A
# good guess: what opens, and shows its trials, can be continued.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optuna==5.0.0
"$folder/venv/bin/python" - "$folder/journal.log" <<'PYTHON'
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

optuna.logging.set_verbosity(optuna.logging.WARNING)
path = sys.argv[1]


def study():
    backend = JournalFileBackend(path, JournalFileOpenLock(path))
    return optuna.create_study(
        storage=JournalStorage(backend), study_name="torn", load_if_exists=True
    )


def objective(trial):
    return trial.suggest_float("x", 0, 1)


study().optimize(objective, n_trials=2)
with open(path, "ab") as stream:
    stream.write(b'{"op_code":6,"wor')  # what a kill or a full disk may leave

torn = study()
print("opened with", len(torn.trials), "trials")
assert len(torn.trials) == 2
try:
    torn.optimize(objective, n_trials=1)
    study()
except Exception as error:
    print("after one more trial:", type(error).__name__, error)
else:
    raise SystemExit("The journal could be continued: the behaviour has changed.")
PYTHON

"""The page of a cross-validation for tools that show folders of runs."""

from __future__ import annotations

from matsciml_core.errors import DataError
from matsciml_core.files import read_object
from matsciml_tool_folds.fold_folder import RECORD, RESULTS, FoldFolder
from matsciml_tool_folds.page import report_page
from matsciml_tool_folds.results import read_results
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import Page
from matsciml_util_pages.run_json import nested


def cross_validation(subject: PageSubject) -> Page:
    """Return the page of a cross-validation, finished or under way.

    Args:
        subject: The folder of the folds.

    Raises:
        DataError: No fold has finished, or the folder cannot be read.
    """
    folds = nested(read_object(subject.folder / RECORD) or {}, "folds")
    if not isinstance(folds.get("number"), int):
        raise DataError(f"'{RECORD}' cannot be read, which says what the folds are.")
    found = read_results(FoldFolder(subject.folder), folds)
    if found is None:
        raise DataError(f"None of {folds['number']} folds has finished yet.")
    summary = read_object(subject.folder / RESULTS) or {}
    return report_page(found, subject.address, str(summary.get("command") or ""))

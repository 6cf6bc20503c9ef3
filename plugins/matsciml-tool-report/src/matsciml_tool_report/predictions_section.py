"""The section of predictions: figures, errors in numbers and told apart, and the worst crystals."""

from __future__ import annotations

from matsciml_core.training.run_folder import PREDICTIONS
from matsciml_tool_report.classes import class_facts, class_table, count_confusion
from matsciml_tool_report.crystal_files import TESTED_CRYSTALS, CrystalFiles, read_crystals
from matsciml_tool_report.element_map import element_map
from matsciml_tool_report.error_groups import losses, system_table
from matsciml_tool_report.error_summary import mean_errors, summarise
from matsciml_tool_report.error_tables import component_table, error_facts, worst_table
from matsciml_tool_report.heat_maps import confusion_matrix
from matsciml_tool_report.prediction_plots import error_histogram, error_shares, parity
from matsciml_tool_report.run_targets import Target, read_targets
from matsciml_tool_report.worst_crystals import gallery
from matsciml_util_pages.numbers import counted
from matsciml_util_pages.plots import Figures, Plot
from matsciml_util_pages.run_files import Predictions, RunFiles
from matsciml_util_pages.views import Absent, Beside, Facts, Heading, Table, View


def predictions(run: RunFiles) -> list[View]:
    """Return what a run says about the predictions for each of its targets."""
    targets = read_targets(run)
    if not targets:
        reason = "The run recorded no test metrics, so there is no prediction to show."
        return [Absent(reason)]
    crystals = read_crystals(run.folder)
    views: list[View] = []
    compared = False
    for target in targets:
        values = run.predictions.get(target.key)
        if len(targets) > 1:
            views.append(Heading(f"{target.title}, {target.dataset}"))
        if values is not None and len(values.labels):
            views += _target_views(target, values, crystals)
            compared = True
        elif target.info.kind != "structure":  # whose metrics are no errors of numbers
            reason = f"{PREDICTIONS} has no row for {target.key}."
            if values is not None:
                left_out = counted(values.not_finite, "prediction")
                reason = f"None of the {left_out} is a finite number."
            views.append(Figures([Absent(run.problems.get(PREDICTIONS, reason))]))
    if compared:
        views += [Absent(problem) for problem in crystals.problems.values()]
    return views


def _target_views(target: Target, values: Predictions, crystals: CrystalFiles) -> list[View]:
    """Return the views of a target with at least one label and prediction."""
    plots: list[Plot | Absent] = []
    tables: list[Table] = []
    baseline, worst = None, gallery(target, values, crystals)
    if target.is_class:
        confusion = count_confusion(values, target.info.num_classes)
        plots.append(confusion_matrix(confusion))
        tables.append(class_table(confusion))
        numbers = [Heading("Predictions in numbers"), Facts(class_facts(values))]
    else:
        summary = summarise(values)
        # Told apart by group, the error of a constant shows which groups are hard for any model.
        baseline = mean_errors(values, target.constants, target.baselines)
        if target.info.kind != "structure":
            plots += [
                parity(values, summary, target.title, target.unit),
                error_histogram(values, summary, target.unit),
                error_shares(values, baseline, target.unit),
            ]
        components = component_table(target, values)
        tables += [components] if components else []
        facts = error_facts(values, summary, target.unit)
        numbers = [Heading("Errors in numbers"), Facts(facts)]
    more: list[View] = []
    table = crystals.tables.get(target.dataset)
    if table is not None:
        told_apart = losses(target.info, values, table, baseline)
        systems, elements = system_table(told_apart, table), element_map(told_apart, table)
        tables += [systems] if systems else []
        more += [elements] if elements else []
    # Pictures show the same crystals, with the same numbers.
    if worst is None and not target.is_class:
        tables.append(worst_table(values, target.unit))
    more += [worst] if worst else []
    if table is None and TESTED_CRYSTALS not in crystals.problems:
        more.append(Absent(f"{TESTED_CRYSTALS} has no crystal of {target.dataset}."))
    elif table is not None and not systems:
        reason = "No space group is known, so errors are not told apart by crystal system."
        more.append(Absent(reason))
    return [Figures(plots), Beside(tables, numbers), *more]

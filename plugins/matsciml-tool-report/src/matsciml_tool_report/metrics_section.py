"""The section of metrics: a table for each target, the model beside the baselines."""

from __future__ import annotations

from matsciml_tool_report.run_targets import NO_METRICS, Target, read_targets
from matsciml_util_pages.metrics import describe_baseline, metric_info, metric_names
from matsciml_util_pages.numbers import number
from matsciml_util_pages.run_files import RunFiles
from matsciml_util_pages.views import Table, View


def metrics(run: RunFiles) -> list[View]:
    """Return a table of metrics for each target of a run."""
    targets = read_targets(run)
    if not targets:
        return [NO_METRICS]
    return [metrics_table(target) for target in targets if target.metrics]


def metrics_table(target: Target) -> Table:
    """Set the model's metrics beside those of the baselines."""
    columns = {"Model": target.metrics}
    for name, baseline in target.baselines.items():
        columns[describe_baseline(name, capital=True)] = baseline
    if target.validation:
        columns["Model, validation set"] = target.validation
    rows, meanings = [], []
    for name in metric_names(target.metrics):
        info = metric_info(name)
        # "F1 score (F1)" helps, "Accuracy (accuracy)" does not.
        short = "" if info.short.lower() == info.title.lower() else f" ({info.short})"
        unit = f", {info.unit(target.unit)}" if info.unit(target.unit) else ""
        values = [number(column.get(name)) for column in columns.values()]
        rows.append([f"{info.title}{short}{unit}", *values])
        meanings += [f"{info.short}: {info.meaning}."] if info.meaning else []
        meanings += [
            f"Published {info.short}: {number(entry.get('value'))}"
            f"{f' {info.unit(target.unit)}' if info.unit(target.unit) else ''}, "
            f"{entry.get('method')} ({entry.get('conditions')}; {entry.get('source')})."
            for entry in target.published
            if entry.get("metric") == name
        ]
    return Table(
        caption=f"Metrics of {target.title} on the test set of {target.dataset}",
        columns=["Metric", *columns],
        rows=rows,
        note=" ".join(meanings),
        strong=1,
    )

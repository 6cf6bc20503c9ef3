"""One module for each verb; what is heavy is imported inside the functions that need it."""

VERBS = {
    "run": ("run:run", "Train a model on a dataset, test it, and report."),
    "predict": ("predict:predict", "Predict the labels of structures in files."),
    "data": ("data:data", "Fetch, import, convert, look at and split datasets."),
    "list-plugins": ("list_plugins:list_plugins", "List what the installed plugins offer."),
    "list-tasks": ("list_tasks:list_tasks", "List the benchmark's tasks, and which can run here."),
    "info": ("info:info", "Show everything that is known about a component."),
    "doctor": ("doctor:doctor", "Check the installation, and say how to fix it."),
    "new": ("new:new", "Write the skeleton of a plugin, ready to install."),
    "check": ("check:check", "Test a component against what it promises."),
}
"""Verb → its function in a module of this package, and the line that ``--help`` shows."""

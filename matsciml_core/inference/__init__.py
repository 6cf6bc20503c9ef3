"""Using a trained model: predictions, ASE and torch-sim, relaxation, dynamics, model cards.

``matsciml_core.load`` is the way in; see :mod:`matsciml_core.model.trained`.
"""

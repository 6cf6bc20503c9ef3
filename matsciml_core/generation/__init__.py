"""Generated crystals: drawing them from a trained model, and judging them.

One module for each thing that is measured, each citing its definition: ``structure_validity``,
``composition_validity``, ``coverage`` (of ``fingerprints``), ``distributions``, ``matching``
(uniqueness, novelty, reconstruction) and ``stability``. ``judging`` looks at every crystal by
itself, in several processes; ``evaluation`` brings everything together, and ``page`` shows it.
``drawing`` and ``reconstructing`` use a generative head.
"""

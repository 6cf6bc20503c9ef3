"""From records of a source to a store: checked, counted, by one process or several."""

"""A trained model: saved, found, loaded, asked for predictions, and evaluated."""

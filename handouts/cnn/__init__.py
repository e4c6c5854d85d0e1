"""What the notebooks import: figures, networks, layer tables, data and self-checking questions."""

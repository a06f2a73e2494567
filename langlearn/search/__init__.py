"""The parts of the index and of searching it."""

"""Fit articulated bodies to images when parts of them are hidden, and say honestly what was not seen."""

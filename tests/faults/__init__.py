"""Faults injected into real processes; afterwards the rows must be those of a replay."""

"""Prices with a date: immutable snapshots, tariffs, and what a run cost. Market cost and energy cost are never summed."""

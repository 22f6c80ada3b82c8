"""The energy-only board: what a validated bundle becomes, and how it is told apart, ranked, listed and kept. Pure: no store, no network."""

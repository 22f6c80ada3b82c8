"""The energy-only board: what a validated bundle becomes, and how it is told apart, ranked, listed and kept.

Pure, without store and network: entries, classes, feed, table, snapshots, reports. Beside them the desk, which takes bundles, has them
judged and keeps what came of it, and the follower of other boards.
"""

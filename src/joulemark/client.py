"""joulemark.Client: filled by the collector work."""

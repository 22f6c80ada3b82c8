"""Where prices come from, one file per source."""

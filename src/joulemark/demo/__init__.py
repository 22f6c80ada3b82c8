"""What `joulemark demo` and the end-to-end test run against: a stub inference service and a small load client."""

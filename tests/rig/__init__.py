"""What every test stands on: executors, a watch for leaks, bounded waiting, scripts."""

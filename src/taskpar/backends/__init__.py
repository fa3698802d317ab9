"""Where calls are run: one small file for each kind of worker."""

"""Keeps pytest out of the small package, whose tests run in an environment of their own."""

collect_ignore = ["wordtally"]

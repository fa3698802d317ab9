"""Counts what is in the texts on the command line."""

import sys
from dataclasses import asdict

from wordtally import tally

for name, count in asdict(tally(sys.argv[1:])).items():
    print(name, count)

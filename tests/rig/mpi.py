"""What starts the ranks of an MPI program, if there is such a thing."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

_FOLDERS = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

MPIEXEC = shutil.which("mpiexec", path=_FOLDERS) if importlib.util.find_spec("mpi4py") else None
"""The command; None: mpi4py or an MPI library is missing."""

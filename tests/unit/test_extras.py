"""What is not installed says what to install, when it is wanted; importing taskpar wants none."""

import pytest

from rig.scripts import run_script

WITHOUT = """
    import sys
    sys.modules["MODULE"] = None  # as where it is not installed
    import taskpar

    try:
        taskpar.WHO()
    except ImportError as error:
        print(error, error.name)
"""


@pytest.mark.parametrize(
    ("who", "module", "extra"),
    [("DaskExecutor", "distributed", "dask"), ("RayExecutor", "ray", "ray")],
)
def test_an_executor_without_its_engine_says_what_to_install(tmp_path, who, module, extra):
    """At once, and by the name of the extra."""
    done = run_script(WITHOUT.replace("MODULE", module).replace("WHO", who), tmp_path)
    assert done.stdout == f"{who} needs {module}: pip install 'taskpar[{extra}]' {module}\n"

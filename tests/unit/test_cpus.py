"""How many CPUs may this process use? Read from fake file systems, and once from the real one."""

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._system.cpus import _cgroup_limit, available_cpus

V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
V1_OTHER = "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
V1 = "sys/fs/cgroup/cpu,cpuacct"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with nothing in it."""
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    """Write a file and the folders around it."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def v2(root: Path, group: str, **quotas: str) -> None:
    """Put the process into a group of version 2; the mount itself is called `top` in quotas."""
    write(root, "proc/self/mountinfo", V2_MOUNT)
    write(root, "proc/self/cgroup", f"0::{group}\n")
    for name, quota in quotas.items():
        folder = "" if name == "top" else name.replace("__", "/")
        write(root, f"sys/fs/cgroup/{folder}/cpu.max", quota)


def v1(root: Path, group: str, *, mount: str = V1_MOUNT) -> None:
    """Put the process into a group of version 1."""
    write(root, "proc/self/mountinfo", V1_OTHER + mount)
    write(root, "proc/self/cgroup", f"5:memory:/elsewhere\n3:cpu,cpuacct:{group}\n")


def v1_quota(root: Path, folder: str, quota: str, period: str = "100000\n") -> None:
    """Give a folder of version 1 its two files."""
    write(root, f"{V1}/{folder}/cpu.cfs_quota_us", quota)
    write(root, f"{V1}/{folder}/cpu.cfs_period_us", period)


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # one and a half
        ("10000 100000\n", 1),  # a tenth
        ("50000 20000", 3),
        ("max 100000\n", None),
        ("", None),
        ("\n", None),
        ("200000", None),
        ("many 100000", None),
        ("1 2 3", None),
        ("200000 0", None),
        ("-1 100000", None),
    ],
)
def test_a_quota_is_rounded_up_and_nonsense_is_no_limit(
    root: Path, quota: str, cpus: int | None
) -> None:
    """What is not two positive numbers limits nothing; a part of a CPU takes a worker."""
    v2(root, "/", top=quota)
    assert _cgroup_limit(str(root)) == cpus


@pytest.mark.parametrize(
    ("quotas", "cpus"),
    [
        ({"a__b": "300000 100000"}, 3),
        ({"a": "200000 100000", "a__b": "300000 100000"}, 2),
        ({"top": "100000 100000", "a__b": "300000 100000"}, 1),
        ({"a": "max 100000", "a__b": "max 100000"}, None),
        ({"other": "100000 100000", "a__b__c": "100000 100000"}, None),
    ],
)
def test_the_smallest_quota_from_the_own_group_up_to_the_mount_counts(
    root: Path, quotas: dict[str, str], cpus: int | None
) -> None:
    """Every group around ours limits us; the others, and those inside ours, do not."""
    v2(root, "/a/b", **quotas)
    assert _cgroup_limit(str(root)) == cpus


@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**6)), min_size=1, max_size=4))
def test_the_limit_is_the_smallest_quota_of_all_rounded_up(quotas: list[tuple[int, int]]) -> None:
    """Law: max(1, ceil(min(quota / period)))."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        v2(root, "/" + "/".join(["g"] * (len(quotas) - 1)))
        for depth, (quota, period) in enumerate(quotas):
            write(root, f"sys/fs/cgroup/{'g/' * depth}cpu.max", f"{quota} {period}\n")
        expected = max(1, math.ceil(min(quota / period for quota, period in quotas)))
        assert _cgroup_limit(str(root)) == expected


def test_nothing_to_read_is_no_limit(root: Path) -> None:
    """An empty file system, as on macOS and Windows."""
    assert _cgroup_limit(str(root)) is None


def test_files_that_are_not_text_are_no_limit(root: Path) -> None:
    """Whatever cannot be read limits nothing."""
    v2(root, "/")
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu.max").write_bytes(b"\xff\xfe 100000")
    (root / "proc/self/cgroup").write_bytes(b"\xff\xff")
    assert _cgroup_limit(str(root)) is None


def test_version_1_has_its_quota_in_two_files(root: Path) -> None:
    """Version 1 calls the group by its controller."""
    v1(root, "/job")
    v1_quota(root, "job", "250000\n")
    assert _cgroup_limit(str(root)) == 3


@pytest.mark.parametrize(
    ("quota", "period"), [("-1\n", "100000\n"), ("", ""), ("200000", ""), ("x", "y")]
)
def test_no_quota_in_version_1_is_no_limit(root: Path, quota: str, period: str) -> None:
    """-1 is version 1's word for "no limit"."""
    v1(root, "/job")
    v1_quota(root, "job", quota, period)
    assert _cgroup_limit(str(root)) is None


def test_a_group_around_ours_limits_us_in_version_1_too(root: Path) -> None:
    """The outer group grants less than the inner one asks for."""
    v1(root, "/pod/job")
    v1_quota(root, "pod", "100000\n")
    v1_quota(root, "pod/job", "400000\n")
    assert _cgroup_limit(str(root)) == 1


def test_in_a_container_the_mount_shows_only_our_part_of_the_hosts_groups(root: Path) -> None:
    """/proc/self/cgroup names the host's path; its beginning is what has been mounted."""
    v1(root, "/docker/abc/job", mount=V1_MOUNT.replace(" / ", " /docker/abc ", 1))
    v1_quota(root, "", "300000\n")
    v1_quota(root, "job", "200000\n")
    assert _cgroup_limit(str(root)) == 2


@pytest.mark.parametrize("group", ["/", "/kubepods/xyz", "/docker/abcdef", "/docker/abc/../x"])
def test_a_group_outside_of_the_mount_is_taken_for_the_mount_itself(root: Path, group: str) -> None:
    """The host's path tells nothing inside this container; the mount is our own group."""
    v1(root, group, mount=V1_MOUNT.replace(" / ", " /docker/abc ", 1))
    v1_quota(root, "", "200000\n")
    v1_quota(root, "../x", "100000\n")  # not ours
    assert _cgroup_limit(str(root)) == 2


def test_with_both_versions_the_smaller_quota_wins(root: Path) -> None:
    """A machine that is half way from version 1 to 2 mounts both."""
    unified = V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    write(root, "proc/self/mountinfo", V1_MOUNT + unified)
    write(root, "proc/self/cgroup", "1:cpu,cpuacct:/one\n0::/two\n")
    v1_quota(root, "one", "400000\n")
    write(root, "sys/fs/cgroup/unified/two/cpu.max", "300000 100000\n")
    assert _cgroup_limit(str(root)) == 3


@pytest.mark.parametrize("mountinfo", [None, "", "what is this\n", "1 2 3 - cgroup2\n"])
def test_without_a_readable_mountinfo_the_usual_places_are_looked_at(
    root: Path, mountinfo: str | None
) -> None:
    """The quota is where it nearly always is."""
    if mountinfo is not None:
        write(root, "proc/self/mountinfo", mountinfo)
    write(root, "proc/self/cgroup", "0::/job\nnonsense\n7\n")
    write(root, "sys/fs/cgroup/job/cpu.max", "100000 100000\n")
    assert _cgroup_limit(str(root)) == 1


@pytest.mark.parametrize("wish", ["1", "64", " 3 "])
def test_taskpar_workers_overrides_everything(monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    """The user's word counts, also above what the machine has."""
    monkeypatch.setenv("TASKPAR_WORKERS", wish)
    assert available_cpus() == int(wish)


@pytest.mark.parametrize("wish", ["0", "-1", "1.5", "two", "1_000", "²", "+ 1"])
def test_a_wrong_taskpar_workers_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    """The message names the variable, what is allowed and what was given."""
    monkeypatch.setenv("TASKPAR_WORKERS", wish)
    with pytest.raises(ValueError, match="TASKPAR_WORKERS must be a positive integer, not '"):
        available_cpus()


@pytest.mark.parametrize("wish", [None, "", "  "])
def test_without_a_wish_it_is_what_the_system_grants(
    monkeypatch: pytest.MonkeyPatch, wish: str | None
) -> None:
    """An empty variable is no wish; there is at least one CPU, and no more than the machine has."""
    monkeypatch.delenv("TASKPAR_WORKERS", raising=False)
    if wish is not None:
        monkeypatch.setenv("TASKPAR_WORKERS", wish)
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform != "linux", reason="affinity can be set on Linux only")
def test_affinity_limits_the_cpus() -> None:
    """A process that is bound to one CPU has one."""
    script = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from taskpar._system.cpus import available_cpus; print(available_cpus())"
    )
    env = {name: value for name, value in os.environ.items() if name != "TASKPAR_WORKERS"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", script]
    printed = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, timeout=30, check=True
    ).stdout
    assert printed == "1\n"

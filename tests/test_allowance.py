"""Limits of control groups, of both versions, as Linux writes them."""

import os

import pytest

from rnw.allowance import allowed_cores, allowed_memory, unused_memory

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
SMALL = 64 * 2**20


@pytest.fixture
def groups(tmp_path):
    """Write the settings of control groups; return the arguments of the functions."""

    def write(membership, **settings):
        (tmp_path / "membership").write_text(membership)
        for path, text in settings.items():
            file = tmp_path / "groups" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")
        return tmp_path / "groups", tmp_path / "membership"

    return write


@pytest.mark.parametrize(
    ("membership", "settings", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "200000 100000"}, 2),
        ("0::/seen/from/outside\n", {"cpu.max": "300000 100000"}, 3),
        (
            "5:cpu,cpuacct:/docker/1f\n4:memory:/docker/1f\n",
            {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "1:cpu:/\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            None,
        ),
    ],
)
def test_cores(membership, settings, cores, groups):
    assert allowed_cores(*groups(membership, **settings)) == cores


@pytest.mark.parametrize(
    ("membership", "settings", "expected"),
    [
        ("0::/\n", {"memory.max": str(SMALL)}, SMALL),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/a\n", {"memory.max": str(SMALL), "a/memory.max": str(SMALL // 2)}, SMALL // 2),
        ("4:memory:/x\n", {"memory/memory.limit_in_bytes": str(SMALL)}, SMALL),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, MACHINE),
        ("4:cpu:/\n", {"memory/memory.limit_in_bytes": str(SMALL)}, MACHINE),
    ],
)
def test_memory(membership, settings, expected, groups):
    assert allowed_memory(*groups(membership, **settings)) == expected


@pytest.mark.parametrize(
    ("membership", "settings", "expected"),
    [
        (
            "0::/\n",
            {
                "memory.max": "9000",
                "memory.current": "5000",
                "memory.stat": "anon 1\ninactive_file 300",
            },
            4300,
        ),
        ("0::/\n", {"memory.max": "max"}, None),
        (
            "0::/a\n",
            {
                "memory.max": "9000",
                "memory.current": "8000",
                "memory.stat": "inactive_file 0",
                "a/memory.max": "max",
                "a/memory.current": "7000",
            },
            1000,
        ),
        (
            "4:memory:/x\n",
            {
                "memory/memory.limit_in_bytes": "9000",
                "memory/memory.usage_in_bytes": "9500",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200",
            },
            0,
        ),
    ],
)
def test_unused_memory(membership, settings, expected, groups):
    assert unused_memory(*groups(membership, **settings)) == expected


def test_system_without_control_groups(tmp_path):
    nothing = (tmp_path / "groups", tmp_path / "membership")
    assert (allowed_cores(*nothing), allowed_memory(*nothing)) == (None, MACHINE)
    assert unused_memory(*nothing) is None

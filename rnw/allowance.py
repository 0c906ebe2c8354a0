"""The cores and the memory that this process may use, by the limits of its container.

Containers limit by control groups of Linux, of version 2 or 1, each below its parent's limits.
"""

import os
from pathlib import Path
from typing import Iterator, Optional

CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")  # lines such as `4:memory:/docker/1f2e`


def allowed_cores(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> Optional[float]:
    """Return how many cores' time the control groups allow, None where they set no limit."""
    limits = [text.split() for text in _settings("cpu", "cpu.max", groups, membership)]
    quotas = _settings("cpu", "cpu.cfs_quota_us", groups, membership)
    periods = _settings("cpu", "cpu.cfs_period_us", groups, membership)
    limits += map(list, zip(quotas, periods))
    allowed = [int(quota) / int(period) for quota, period in limits if quota not in ("max", "-1")]
    return min(allowed, default=None)


def allowed_memory(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the bytes that the control groups allow, at most all that the machine has."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [
        *_settings("memory", "memory.max", groups, membership),
        *_settings("memory", "memory.limit_in_bytes", groups, membership),
    ]
    return min([machine, *(int(limit) for limit in limits if limit != "max")])


def _settings(controller: str, name: str, groups: Path, membership: Path) -> Iterator[str]:
    """Yield a setting of the control group of this process and of each group above it.

    In a container, the mounted folder often is its own group, whatever path the process is told.
    """
    if not membership.exists():  # another system than Linux
        return
    for line in membership.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = groups / controller if controllers else groups  # version 2 has one tree for all
        parts = Path(path).parts[1:]
        files = (root.joinpath(*parts[:depth], name) for depth in range(len(parts) + 1))
        yield from (file.read_text().strip() for file in files if file.exists())

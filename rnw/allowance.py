"""The cores and the memory that this process may use, by the limits of its container.

Containers limit by control groups of Linux, of version 2 or 1, each below its parent's limits.
"""

import os
from pathlib import Path
from typing import Iterator, Optional

CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")  # lines such as `4:memory:/docker/1f2e`
# of version 2 and 1: limit, usage, and the part of `memory.stat` that gives way
_MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


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


def unused_memory(groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> Optional[int]:
    """Return the bytes that the control groups allow beyond what is in use; None without a limit.

    What the system keeps of files that nobody has read lately gives way, and counts as unused.
    """
    unused = []
    for folder in _groups("memory", groups, membership):
        for limit, usage, files in _MEMORY_FILES:
            allowed = (folder / limit).read_text().strip() if (folder / limit).exists() else "max"
            if allowed != "max":
                kept = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                used = int((folder / usage).read_text()) - int(kept.get(files, 0))
                unused.append(max(0, int(allowed) - used))
    return min(unused, default=None)


def _settings(controller: str, name: str, groups: Path, membership: Path) -> Iterator[str]:
    """Yield a setting of each control group that `_groups` finds, where it has one."""
    for folder in _groups(controller, groups, membership):
        if (folder / name).exists():
            yield (folder / name).read_text().strip()


def _groups(controller: str, groups: Path, membership: Path) -> Iterator[Path]:
    """Yield the folder of the control group of this process and that of each group above it.

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
        yield from (root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))

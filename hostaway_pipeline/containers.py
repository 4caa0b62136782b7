"""Whether this process runs in a container, whose host name says nothing about its outgoing IP address."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

# What container runtimes leave in the file system, and the names by which a control group shows them.
_CONTAINER_FILES = (".dockerenv", "run/.containerenv")
_CONTAINER_GROUP = re.compile("docker|kubepods|containerd|libpod|lxc")


def in_container(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a container, as far as `root` and the environment show."""
    if "KUBERNETES_SERVICE_HOST" in environ or any((root / name).exists() for name in _CONTAINER_FILES):
        return True
    # Neither Podman's nor containerd's namespaces show in their own control group; the layered root does.
    mounts = (line.split() for line in _text(root / "proc/self/mountinfo").splitlines())
    is_layered = any(mount[4:5] == ["/"] and "overlay" in mount[6:] for mount in mounts)
    return is_layered or _CONTAINER_GROUP.search(_text(root / "proc/self/cgroup")) is not None


def _text(path: Path) -> str:
    """The content of a file; an empty string where there is none, as on macOS."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

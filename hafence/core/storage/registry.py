"""The storage fences there are, and which of them a cluster has."""

from __future__ import annotations

from typing import Any

from ..model import Cluster
from .port import StorageFence


def storage_fence_of(cluster: Cluster) -> StorageFence[Any] | None:
    """A cluster's storage fence, or None. Loaded where one is wanted: most runs need none, and each import delays every
    VM's return."""
    if cluster.ceph is not None:
        from .ceph import CephFence

        return CephFence(cluster.ceph)
    return None

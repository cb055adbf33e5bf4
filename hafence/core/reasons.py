"""Why a run ended as it did: stable words, the same in JSON, log and man page."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why a run ended as it did: stable words, the same in JSON, log and man page."""

    CONFIRMED_DEAD = "confirmed_dead"
    UNREACHABLE_CONFIRMED = "unreachable_confirmed"
    POWERED_OFF = "powered_off"
    STORAGE_FENCED = "storage_fenced"
    OPERATOR_CONFIRMED = "operator_confirmed"
    NOT_KVM = "not_kvm"
    PRE_FENCE_OFF = "pre_fence_off"
    ALREADY_RUNNING = "already_running"
    STILL_ALIVE = "still_alive"
    AMBIGUOUS = "ambiguous"
    NO_SIBLING = "no_sibling"
    UNREACHABLE_UNCONFIRMED = "unreachable_unconfirmed"
    SUSPECT_HEALTHY = "suspect_healthy"
    RUNNING_ELSEWHERE = "running_elsewhere"
    NO_TARGET = "no_target"
    WOULD_NOT_START = "would_not_start"
    HOOK_FAILED = "hook_failed"
    START_FAILED = "start_failed"
    BUSY = "busy"
    NOT_HA = "not_ha"
    MAINTENANCE = "maintenance"
    DISARMED = "disarmed"
    STORM_GUARD = "storm_guard"
    STORE_ERROR = "store_error"
    INTERRUPTED = "interrupted"
    START_UNKNOWN = "start_unknown"
    START_PAUSED = "start_paused"
    NOT_READY = "not_ready"
    TWO_COPIES = "two_copies"
    DISKS_DIFFER = "disks_differ"


PROOFS = frozenset({Reason.CONFIRMED_DEAD, Reason.POWERED_OFF, Reason.STORAGE_FENCED})
"""After these a VM whose start fails stays stopped; after silence its record goes back to what it was."""

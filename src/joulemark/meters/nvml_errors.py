"""What each error of the NVIDIA driver means for a meter, by name, so that no version of the driver's library must know them all."""

from __future__ import annotations

from typing import Final

from joulemark.errors import MeterError, MeterFault, MeterGone, MeterTransient, MeterUnavailable

PREFIX: Final = "NVML_ERROR_"

NAMES: Final[dict[type[MeterError], tuple[str, ...]]] = {
    MeterUnavailable: (
        "INVALID_ARGUMENT",
        "NOT_SUPPORTED",
        "NO_PERMISSION",
        "DRIVER_NOT_LOADED",
        "LIBRARY_NOT_FOUND",
        "FUNCTION_NOT_FOUND",
        "LIB_RM_VERSION_MISMATCH",
        "VGPU_ECC_NOT_SUPPORTED",
        "FREQ_NOT_SUPPORTED",
        "ARGUMENT_VERSION_MISMATCH",
        "DEPRECATED",
        "RESET_TYPE_NOT_SUPPORTED",
    ),
    MeterTransient: (
        "NOT_FOUND",
        "TIMEOUT",
        "IN_USE",
        "MEMORY",
        "NO_DATA",
        "INSUFFICIENT_RESOURCES",
        "NOT_READY",
        "UNKNOWN",
    ),
    MeterGone: ("GPU_IS_LOST", "GPU_NOT_FOUND"),
    MeterFault: (
        "UNINITIALIZED",
        "ALREADY_INITIALIZED",
        "INSUFFICIENT_SIZE",
        "INSUFFICIENT_POWER",
        "IRQ_ISSUE",
        "CORRUPTED_INFOROM",
        "RESET_REQUIRED",
        "OPERATING_SYSTEM",
        "INVALID_STATE",
    ),
}
"""The meaning while it is being read. In `open()` each of them ends as MeterUnavailable."""

NEXT_STEPS: Final[dict[str, str]] = {
    "LIBRARY_NOT_FOUND": "install the NVIDIA driver, or name its libnvidia-ml.so.1 with library = PATH",
    "DRIVER_NOT_LOADED": "load it: sudo modprobe nvidia",
    "NO_PERMISSION": "let this user open /dev/nvidiactl and /dev/nvidia0: ls -l /dev/nvidia*",
    "LIB_RM_VERSION_MISMATCH": "library and kernel module differ after an update: reboot, or reload the nvidia module",
    "GPU_IS_LOST": "see dmesg for the Xid, then reset the GPU or reboot",
    "RESET_REQUIRED": "reset it: sudo nvidia-smi --gpu-reset",
}

OTHERWISE: Final = "see whether nvidia-smi shows the GPU"
"""Next step after any other error."""

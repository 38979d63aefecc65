"""What the figures were measured on, and the kernel's own clock of a process."""

import importlib.metadata
import os
import platform
from pathlib import Path

INTERESTING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "asimddp", "i8mm")


def describe():
    """The machine and the versions, in two lines."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = (fields.get("flags") or fields.get("Features", "")).split()
    model = Path("/proc/device-tree/model")
    board = model.read_text().strip("\0") if model.exists() else fields.get("model name", "unknown processor")
    has = [flag for flag in INTERESTING if flag in flags]
    lacks = [flag for flag in INTERESTING if flag not in flags]
    load = os.getloadavg()[0]
    return (
        f"{board}, {os.cpu_count()} cores, {platform.machine()}; has {', '.join(has) or 'none'}"
        f" of {', '.join(INTERESTING)}; lacks {', '.join(lacks) or 'none'}\n"
        f"load {load:.1f}; ONNX Runtime {importlib.metadata.version('onnxruntime')}"
    )


def processor_time(pid):
    """Nanoseconds that all threads of a process have run so far."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
    )

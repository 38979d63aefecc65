"""Description of the machine, and the processor time of a process."""

import importlib.metadata
import os
import platform
from pathlib import Path

# CPU features that matter for integer GEMM, as named in /proc/cpuinfo.
INSTRUCTIONS = {
    "x86_64": ("avx2", "avx512f", "avx512_vnni", "avx_vnni"),
    "aarch64": ("asimd", "asimddp", "i8mm"),
}


def describe():
    """Return the machine, its load and the versions in one line."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    board = Path("/proc/device-tree/model")
    name = board.read_text().strip("\0") if board.exists() else fields.get("model name", "an unknown processor")
    has = (fields.get("flags") or fields.get("Features") or "").split()
    known = INSTRUCTIONS.get(platform.machine(), ())
    return (
        f"{name}, {os.cpu_count()} cores, {platform.machine()} with {', '.join(i for i in known if i in has)}, "
        f"without {', '.join(i for i in known if i not in has)}; load {os.getloadavg()[0]:.1f}; "
        f"ONNX Runtime {importlib.metadata.version('onnxruntime')}"
    )


def processor_time(pid):
    """Return the processor time of all threads of a process so far, in nanoseconds."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
    )

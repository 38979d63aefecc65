"""Run a model in ONNX Runtime, in one thread: onnxruntime_runs.py MODEL RUNS WIDTH HEIGHT.

Width and height apply to dynamic axes.
"""

import sys

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
# Convert int8 weights to f32 once, when the model is loaded, as tract does.
options.add_session_config_entry("session.disable_quant_qdq", "1")
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
(entry,) = session.get_inputs()
open_axes = {"width": int(sys.argv[3]), "height": int(sys.argv[4])}
shape = [open_axes[axis] if isinstance(axis, str) else axis for axis in entry.shape]
values = np.sin(np.arange(np.prod(shape), dtype=np.float32) * np.float32(0.7)).reshape(shape)
for _ in range(int(sys.argv[2])):
    session.run(None, {entry.name: values})

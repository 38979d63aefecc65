"""ONNX Runtime with the same command line and protocol as the programs in src/bin.

    python ort.py MODEL THREADS --input FILE
"""

import argparse
import sys
import time

import numpy as np
import onnxruntime


def main():
    """Load the network, print `ready`, and answer requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("threads", type=int)
    parser.add_argument("--input", required=True)
    args = parser.parse_args()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    # Suppress the warnings about scales that cannot be folded.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    (face,) = session.get_inputs()
    feed = {face.name: np.fromfile(args.input, "<f4").reshape(face.shape)}

    print("ready", flush=True)
    for line in sys.stdin:
        request, *count = line.split()
        if request == "run":
            times = []
            for _ in range(int(count[0])):
                start = time.perf_counter_ns()
                outputs = session.run(None, feed)
                times.append(time.perf_counter_ns() - start)
            print(*times, flush=True)
        elif request == "output":
            print(*(repr(float(number)) for output in outputs for number in output.ravel()), flush=True)
        else:
            sys.exit(f"the request is {line!r}; allowed are 'run N' and 'output'")


if __name__ == "__main__":
    main()

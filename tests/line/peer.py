"""A Python script that does what affectd does, on a recording.

    python peer.py same|plain RECORDING --models FOLDER [--yunet FILE]

`same` runs the same three networks as affectd, at the same cadence as affectd at its full rate: CenterFace on the
whole frame twice a second and on one of four quarters in between, BlazeFace around each face in every frame, the
expression network in every second frame for each face. `plain` runs one detector and the expression network
on every frame: OpenCV's YuNet if its file is given (its authors publish it; no package contains it),
otherwise CenterFace. Both smooth exponentially and render a JSON payload.

Prints one JSON object: frames, processor time in seconds without loading, mean number of faces, and peak memory.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from networks import BlazeFace, CenterFace, Expression, YuNet

RATE = 15
SEARCH, CLASSIFY, SURROUNDINGS, LOST, TAU = 0.5, 2 / RATE, 2.5, 1.0, 0.8


def main():
    """Play the recording as fast as possible on the clock of a camera."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("script", choices=["same", "plain"])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--yunet", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    frames = pictures(args.recording.read_bytes())
    line = Same(args.models) if args.script == "same" else Plain(args.models, args.yunet)
    line.frame(cv2.imdecode(frames[-1], cv2.IMREAD_COLOR), -10.0)
    line.tracks.clear()
    start, faces = time.process_time(), 0
    for index, frame in enumerate(frames):
        line.frame(cv2.imdecode(frame, cv2.IMREAD_COLOR), index / RATE)
        faces += len(line.tracks)
        line.payload()
    spent = time.process_time() - start
    print(json.dumps({
        "frames": len(frames), "cpu_seconds": spent, "faces": faces / len(frames),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }))


def pictures(data):
    """Split concatenated JPEG pictures."""
    starts = []
    at = data.find(b"\xff\xd8\xff")
    while at >= 0:
        starts.append(at)
        at = data.find(b"\xff\xd8\xff", at + 3)
    if not starts:
        sys.exit("peer: the recording holds no JPEG picture")
    return [np.frombuffer(data[a:b], np.uint8) for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


class Track:
    """A face over time."""

    def __init__(self, face, now):
        self.face, self.seen, self.classified, self.mean = face, now, -1.0, None

    def classify(self, expression, frame, now):
        """Classify, and smooth."""
        answer = expression.classify(frame, self.face)
        if answer is None:
            return
        if self.mean is None:
            self.mean = answer
        else:
            self.mean += (answer - self.mean) * (1 - np.exp(-(now - self.classified) / TAU))
        self.classified = now


class Line:
    """The part shared by both scripts."""

    def __init__(self, models):
        self.expression = Expression(models / "maxvit-ferplus-64.onnx")
        self.tracks = []

    def see(self, faces, now):
        """Continue the tracks whose boxes overlap, and return the other faces."""
        new = []
        for face in faces:
            track = max(self.tracks, key=lambda track: overlap(track.face, face), default=None)
            if track is not None and overlap(track.face, face) > 0.3:
                track.face, track.seen = face, now
            else:
                new.append(face)
        return new

    def payload(self):
        """Render what would be published."""
        faces = [
            {"box": track.face[:4].tolist(), "probabilities": track.mean[:8].tolist(), "va": track.mean[8:].tolist()}
            for track in self.tracks if track.mean is not None
        ]
        return json.dumps({"faces": faces})


class Same(Line):
    """The same networks as affectd at the same cadence."""

    def __init__(self, models):
        super().__init__(models)
        self.search = CenterFace(models / "centerface.onnx")
        self.follow = BlazeFace(models / "blazeface.onnx")
        self.due, self.turn = None, 0

    def frame(self, frame, now):
        """Process one frame."""
        for track in self.tracks:
            left, top, width, height = track.face[:4]
            side = SURROUNDINGS * max(width, height)
            region = (left + width / 2 - side / 2, top + height / 2 - side / 2, side, side)
            found = [face for face in self.follow.detect(frame, region) if overlap(face, track.face) > 0.1]
            if found:
                track.face, track.seen = max(found, key=lambda face: overlap(face, track.face)), now
        if self.due is None or now >= self.due or now < self.due - SEARCH:
            self.due = (now if self.due is None or now < self.due - SEARCH else self.due) + SEARCH / 2
            for face in self.see(self.unseen(self.search.detect(frame, self.region(frame)), now), now):
                self.tracks.append(Track(face, now))
        self.tracks = [track for track in self.tracks if now - track.seen < LOST]
        for track in self.tracks:
            if track.seen == now and now - track.classified >= CLASSIFY - 1e-6:
                track.classify(self.expression, frame, now)

    def unseen(self, faces, now):
        """The faces that the following detector has not seen in this frame."""
        seen = [track.face for track in self.tracks if track.seen == now]
        return [face for face in faces if all(overlap(face, other) <= 0.3 for other in seen)]

    def region(self, frame):
        """The next region: alternately the whole frame and a quarter."""
        height, width = frame.shape[:2]
        turn, self.turn = self.turn, (self.turn + 1) % 8
        if turn % 2 == 0:
            return (0, 0, width, height)
        corner = turn // 2
        return (corner % 2 * 0.45 * width, corner // 2 * 0.45 * height, 0.55 * width, 0.55 * height)


class Plain(Line):
    """A detector and the expression network on every frame."""

    def __init__(self, models, yunet):
        super().__init__(models)
        self.detector = YuNet(yunet) if yunet else CenterFace(models / "centerface.onnx")

    def frame(self, frame, now):
        """Process one frame."""
        region = (0, 0, frame.shape[1], frame.shape[0])
        for face in self.see(self.detector.detect(frame, region), now):
            self.tracks.append(Track(face, now))
        self.tracks = [track for track in self.tracks if now - track.seen < LOST]
        for track in self.tracks:
            if track.seen == now:
                track.classify(self.expression, frame, now)


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


if __name__ == "__main__":
    main()

"""The bundled networks in ONNX Runtime, and OpenCV's YuNet.

Coordinates are pixels of the frame. A face is a row: left, top, width, height, score, and x and y of right eye, left
eye, nose and centre of the mouth.
"""

import cv2
import numpy as np
import onnxruntime

MIN_SCORE = 0.4
# Where right eye, left eye, nose and mouth lie in an aligned crop, as fractions of its side.
TEMPLATE = np.array([[0.31, 0.40], [0.69, 0.40], [0.50, 0.605], [0.50, 0.765]], np.float32)


def session(path):
    """Load a network for one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def letterbox(frame, region, width, height):
    """Scale a region of the frame into an input, and return it with the scale and the origin in the frame."""
    left, top, across, down = region
    scale = min(width / across, height / down)
    x, y = left + across / 2 - width / 2 / scale, top + down / 2 - height / 2 / scale
    first = (max(0, int(x)), max(0, int(y)))
    last = (min(frame.shape[1], int(np.ceil(x + width / scale))), min(frame.shape[0], int(np.ceil(y + height / scale))))
    picture = np.zeros((height, width, 3), np.uint8)
    if last[0] > first[0] and last[1] > first[1]:
        part = frame[first[1]:last[1], first[0]:last[0]]
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        resized = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        at_x, at_y = max(0, round((first[0] - x) * scale)), max(0, round((first[1] - y) * scale))
        resized = resized[:height - at_y, :width - at_x]
        picture[at_y:at_y + resized.shape[0], at_x:at_x + resized.shape[1]] = resized
    return picture, scale, (x, y)


def in_frame(faces, scale, origin):
    """Map faces from an input to the frame."""
    faces[:, [0, 5, 7, 9, 11]] = faces[:, [0, 5, 7, 9, 11]] / scale + origin[0]
    faces[:, [1, 6, 8, 10, 12]] = faces[:, [1, 6, 8, 10, 12]] / scale + origin[1]
    faces[:, 2:4] /= scale
    return faces


def best(faces):
    """Keep the best of overlapping faces."""
    if not len(faces):
        return faces
    kept = cv2.dnn.NMSBoxes(faces[:, :4].tolist(), faces[:, 4].tolist(), MIN_SCORE, 0.3)
    return faces[np.asarray(kept).reshape(-1)]


class CenterFace:
    """The detector of the whole frame, at 320x256."""

    SIZE = (320, 256)

    def __init__(self, path):
        self.session = session(path)

    def detect(self, frame, region):
        """Find the faces in a region."""
        picture, scale, origin = letterbox(frame, region, *self.SIZE)
        tensor = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)[None].astype(np.float32)
        heatmap, size, offset, landmarks = self.session.run(
            ["heatmap", "scale", "offset", "landmarks"], {"input.1": tensor}
        )
        rows, columns = np.nonzero(heatmap[0, 0] >= MIN_SCORE)
        faces = np.zeros((len(rows), 13), np.float32)
        faces[:, 3], faces[:, 2] = 4 * np.exp(size[0, :, rows, columns].reshape(-1, 2).T)
        down, across = offset[0, :, rows, columns].reshape(-1, 2).T
        faces[:, 0] = (columns + across + 0.5) * 4 - faces[:, 2] / 2
        faces[:, 1] = (rows + down + 0.5) * 4 - faces[:, 3] / 2
        faces[:, 4] = heatmap[0, 0, rows, columns]
        marks = landmarks[0, :, rows, columns].reshape(-1, 10)
        xs = faces[:, :1] + marks[:, 1::2] * faces[:, 2:3]
        ys = faces[:, 1:2] + marks[:, 0::2] * faces[:, 3:4]
        for index, (x, y) in enumerate(((xs, ys),) * 3):
            faces[:, 5 + 2 * index], faces[:, 6 + 2 * index] = x[:, index], y[:, index]
        faces[:, 11], faces[:, 12] = xs[:, 3:].mean(1), ys[:, 3:].mean(1)
        return best(in_frame(faces, scale, origin))


class BlazeFace:
    """The detector of search regions, at 128x128."""

    SIZE = 128

    def __init__(self, path):
        self.session = session(path)
        grids = [np.repeat(np.stack(np.meshgrid(*[(np.arange(self.SIZE // step) + 0.5) * step] * 2), -1).reshape(-1, 2),
                           count, 0) for step, count in ((8, 2), (16, 6))]
        self.anchors = np.concatenate(grids).astype(np.float32)

    def detect(self, frame, region):
        """Find the faces in a region."""
        picture, scale, origin = letterbox(frame, region, self.SIZE, self.SIZE)
        tensor = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
        rows, logits = self.session.run(["regressors", "classificators"], {"input": tensor})
        scores = 1 / (1 + np.exp(-logits[0, :, 0].clip(-50, 50)))
        chosen = np.nonzero(scores >= MIN_SCORE)[0]
        values, anchors = rows[0, chosen], self.anchors[chosen]
        faces = np.zeros((len(chosen), 13), np.float32)
        faces[:, 2:4] = values[:, 2:4]
        faces[:, :2] = anchors + values[:, :2] - faces[:, 2:4] / 2
        faces[:, 4] = scores[chosen]
        faces[:, 5:13] = values[:, 4:12] + np.tile(anchors, 4)
        return best(in_frame(faces, scale, origin))


class YuNet:
    """OpenCV's YuNet, at 320x320, from a file that its authors publish."""

    SIZE = 320

    def __init__(self, path):
        self.detector = cv2.FaceDetectorYN.create(str(path), "", (self.SIZE, self.SIZE), 0.7)

    def detect(self, frame, region):
        """Find the faces in a region."""
        picture, scale, origin = letterbox(frame, region, self.SIZE, self.SIZE)
        found = self.detector.detect(picture)[1]
        if found is None:
            return np.zeros((0, 13), np.float32)
        faces = np.zeros((len(found), 13), np.float32)
        faces[:, :4], faces[:, 4], faces[:, 5:11] = found[:, :4], found[:, 14], found[:, 4:10]
        faces[:, 11:13] = found[:, 10:14].reshape(-1, 2, 2).mean(1)
        return in_frame(faces, scale, origin)


class Expression:
    """The expression network."""

    SIZE, MEAN, STD = 64, 0.508, 0.255

    def __init__(self, path):
        self.session = session(path)

    def classify(self, frame, face):
        """Return the probabilities of a face, and valence and arousal."""
        matrix, _ = cv2.estimateAffinePartial2D(face[5:13].reshape(4, 2), TEMPLATE * self.SIZE, method=cv2.LMEDS)
        if matrix is None:
            return None
        scale = np.hypot(matrix[0, 0], matrix[0, 1])
        # warpAffine does not average, so a large face is reduced first.
        if scale < 0.5:
            left, top, width, height = face[:4]
            x, y = max(0, int(left - width)), max(0, int(top - height))
            part = frame[y:int(top + 2 * height), x:int(left + 2 * width)]
            frame = cv2.resize(part, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
            matrix[:, 2] += matrix[:, :2] @ (x, y)
            matrix[:, :2] /= 2 * scale
        crop = cv2.warpAffine(frame, matrix, (self.SIZE, self.SIZE), borderMode=cv2.BORDER_REPLICATE)
        grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
        tensor = ((grey - self.MEAN) / self.STD)[None, None]
        (output,) = self.session.run(None, {"face": tensor})
        exponentials = np.exp((output[0, :8] - output[0, :8].max()) / 0.634)
        return np.concatenate([exponentials / exponentials.sum(), output[0, 8:]])

"""Makes astronaut.jpg and grace_hopper.jpg: portraits whose heads are turned by known angles.

    python make_heads.py ../pictures/astronaut.jpg astronaut.jpg     (needs mediapipe 0.10.14, numpy and opencv)

MediaPipe's face mesh gives 468 points of the face in space. Two rings around it, further back, stand for the rest of the
head. The photograph is its texture: the mesh is turned about the midpoint between the eyes, first by yaw, then by pitch,
and drawn back to front over the blurred photograph, without perspective.
"""

import math
import sys

import cv2
import mediapipe
import numpy as np

# Degrees from the photograph's own pose: yaw (positive to the picture's right), pitch (positive upwards).
ANGLES = [(yaw, 0) for yaw in (-60, -45, -30, -20, -10, 0, 10, 20, 30, 45, 60)] + [(0, -25), (0, -12), (0, 12), (0, 25)]
# Sides of a picture, and the width of a face from ear to ear, in pixels.
TILE, FACE = 256, 104
# Points of the mesh: the outline of the face, the outer corners of the eyes, and the ears.
OUTLINE = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
           152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
EYES, EARS = [33, 263], [234, 454]
# The rings around the outline: how many times as large, and how far back in distances between the eyes' corners.
RINGS = [(1.25, 0.33), (1.5, 0.6)]


def rotation(yaw, pitch):
    """The 3x3 matrix for axes to the right, downwards, and towards the camera."""
    yaw, pitch = math.radians(yaw), math.radians(pitch)
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    return about_x @ about_y


def head(photograph):
    """The points of the head in pixels of the photograph, [n, 3]."""
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1)
    found = mesh.process(cv2.cvtColor(photograph, cv2.COLOR_BGR2RGB)).multi_face_landmarks[0].landmark
    height, width = photograph.shape[:2]
    face = np.array([[point.x * width, point.y * height, -point.z * width] for point in found])
    outline = face[OUTLINE]
    middle = outline.mean(0)
    unit = np.linalg.norm(face[EYES[0]] - face[EYES[1]])
    rings = []
    for scale, back in RINGS:
        ring = middle + (outline - middle) * [scale, scale, 1]
        ring[:, 2] = outline[:, 2] - back * unit
        rings.append(ring)
    return np.vstack([face, *rings])


def triangles(points):
    """Indices of the Delaunay triangles of the points as the photograph shows them, [m, 3]."""
    low, high = points[:, :2].min(0) - 5, points[:, :2].max(0) + 5
    mesh = cv2.Subdiv2D((int(low[0]), int(low[1]), int(high[0] - low[0]) + 2, int(high[1] - low[1]) + 2))
    index = {}
    for number, (x, y) in enumerate(points[:, :2]):
        key = (round(float(x), 1), round(float(y), 1))
        if key not in index:
            index[key] = number
            mesh.insert(key)
    corners = [[(round(float(t[i]), 1), round(float(t[i + 1]), 1)) for i in (0, 2, 4)] for t in mesh.getTriangleList()]
    return np.array([[index[key] for key in three] for three in corners if all(key in index for key in three)])


def area(three):
    """Twice the signed area of a triangle, [3, 2]."""
    (ax, ay), (bx, by) = three[1] - three[0], three[2] - three[0]
    return ax * by - ay * bx


def turned(photograph, points, faces, yaw, pitch):
    """A picture of TILE x TILE pixels."""
    scale = FACE / np.linalg.norm(points[EARS[0]] - points[EARS[1]])
    placed = (points - points[EYES].mean(0)) @ rotation(yaw, pitch).T * scale + [TILE / 2, TILE * 0.45, 0]
    picture = cv2.resize(cv2.GaussianBlur(photograph, (0, 0), 40), (TILE, TILE))
    for three in faces[np.argsort(placed[faces][:, :, 2].mean(1))]:
        source, target = points[three][:, :2].astype(np.float32), placed[three][:, :2].astype(np.float32)
        if area(source) * area(target) <= 0:
            continue  # seen from behind
        low = np.maximum(np.floor(target.min(0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(target.max(0)).astype(int) + 2, TILE)
        width, height = high - low
        if width <= 0 or height <= 0:
            continue
        target = (target - low).astype(np.float32)
        texture = cv2.warpAffine(photograph, cv2.getAffineTransform(source, target), (int(width), int(height)),
                                 flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        middle = target.mean(0)
        # A pixel larger, so that no seam shows.
        target = middle + (target - middle) * (1 + 1 / max(4, np.abs(target - middle).max()))
        mask = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(mask, np.round(target * 16).astype(np.int32), 255, shift=4)
        picture[low[1]:high[1], low[0]:high[0]][mask > 0] = texture[mask > 0]
    return picture


def main():
    photograph = cv2.imread(sys.argv[1])
    points = head(photograph)
    faces = triangles(points)
    pictures = [turned(photograph, points, faces, yaw, pitch) for yaw, pitch in ANGLES]
    cv2.imwrite(sys.argv[2], np.hstack(pictures), [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()

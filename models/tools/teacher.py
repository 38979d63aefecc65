"""Learning from the answers of trained networks besides the votes."""

import torch
from tqdm import tqdm

import runner


def advise(faces, teachers, place, weight):
    """(target f32 [N, 8], va f32 [N, 2]): the votes of `faces`, with a share `weight` of the networks' mean answer.

    `teachers` are pairs of a network and its configuration. Each is asked once, before the training, and about each
    face and its mirror image.
    """
    classes = faces.target.shape[1]
    answers = []
    for net, config in tqdm(teachers, "asking the teachers", ncols=100):
        net = net.to(place, memory_format=torch.channels_last)
        seen = runner.mirrored(lambda images: runner.predict(net, images, config, autocast=True))(faces.images)
        seen = torch.from_numpy(seen)
        answers.append(torch.cat([seen[:, :classes].softmax(1), seen[:, classes:]], 1))
    answer = torch.stack(answers).mean(0).numpy()
    target, va = answer[:, :classes], answer[:, classes:]
    return faces.target + weight * (target - faces.target), faces.va + weight * (va - faces.va)

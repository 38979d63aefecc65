"""Learning from the answers of a trained network besides the votes."""

import torch

import runner


def advise(faces, net, config, place, weight):
    """(target f32 [N, 8], va f32 [N, 2]): the votes of `faces`, with a share `weight` of the network's answers.

    It is asked once, before the training, and about each face and its mirror image.
    """
    net = net.to(place, memory_format=torch.channels_last)
    answers = runner.mirrored(lambda images: runner.predict(net, images, config, autocast=True))(faces.images)
    answers = torch.from_numpy(answers)
    classes = faces.target.shape[1]
    target, va = answers[:, :classes].softmax(1).numpy(), answers[:, classes:].numpy()
    return faces.target + weight * (target - faces.target), faces.va + weight * (va - faces.va)

"""Reading a training checkpoint."""

import torch

import model


def load(path):
    """(network with the averaged weights, in eval mode; its configuration)"""
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = model.build(state["config"]["model"])
    net.load_state_dict(state["average"])
    return net.eval(), state["config"]

"""A running average of the weights, which generalises better than the last step's."""

import copy

import torch


class Average:
    """Exponential average of a network's weights; batch-norm statistics are copied as they are."""

    def __init__(self, net, decay):
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, net):
        """Take in the weights after one step; early on the average is short."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))
        pairs = zip(self.net.parameters(), net.parameters())
        ours, theirs = zip(*pairs)
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for mine, new in zip(self.net.buffers(), net.buffers()):
            mine.copy_(new)

"""Convolutional features of RoMa: the first 13 layers of VGG-19 with batch normalisation.

Source: Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015, configuration E.
Modules are numbered as in the widely used list of features, so that weights load by name.
"""

from __future__ import annotations

from torch import Tensor, nn

_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4))  # channels, and convolutions before each pooling


class Vgg19(nn.Module):
    """Four stages, each at half the resolution of the one before."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for channels, count in _STAGES:
            for _ in range(count):
                layers += [nn.Conv2d(before, channels, 3, padding=1)]
                layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.ModuleList(layers)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Features before each pooling, by their stride.

        Args:
            images: (B, 3, H, W), ImageNet's mean and standard deviation removed.

        Returns:
            Strides 1, 2, 4, 8: (B, 64 | 128 | 256 | 512, H / stride, W / stride).
        """
        features: dict[int, Tensor] = {}
        x = images
        for layer in self.layers:
            if isinstance(layer, nn.MaxPool2d):
                features[2 ** len(features)] = x
                if len(features) == len(_STAGES):
                    break
            x = layer(x)
        return features

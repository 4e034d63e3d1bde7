"""Generative models as modalities: any callable, or an image-to-image pipeline of diffusers.

    radar = generative.adapted(my_network)            # (B, 3, H, W) -> (B, C, H, W), both in [0, 1]
    dusk = generative.diffused(pipeline, "the same place at dusk, aerial photograph", strength=0.3)
    compose.compose(images, [dusk, "sensor"], draws)

A model must leave everything where it is, or labels are wrong: `strength` is best kept low, or a
ControlNet used. Neither weights nor diffusers come with georeg.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis._ops import rgb
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Modality, Synthetic


def adapted(model: Callable[[Tensor], Tensor]) -> Modality:
    """A network that maps images to images, as a modality; it runs without gradients.

    Args:
        model: (B, 3, H, W) in [0, 1] -> (B, 1 or 3, H, W) in [0, 1].
    """

    def synthesise(images: Tensor, draws: Draws, **options: Any) -> Synthetic:
        with torch.no_grad():
            return Synthetic.of(model(rgb(images)).to(images))

    return synthesise


def pipeline(name: str, device: str = "cpu", **options: Any) -> Any:
    """A pipeline of diffusers for `diffused`, from files that are on this machine.

    Args:
        name: a folder with the pipeline's files, or a name in the local cache.
        device: where it runs.
        options: of `from_pretrained`.

    Raises:
        SettingsError: diffusers isn't installed, or the pipeline isn't there.
    """
    try:
        from diffusers import AutoPipelineForImage2Image
    except ImportError as error:
        raise SettingsError(f"generative modalities need the package diffusers: {error}") from None
    options = {"local_files_only": True, **options}
    try:
        return AutoPipelineForImage2Image.from_pretrained(name, **options).to(device)
    except OSError as error:
        raise SettingsError(f"no pipeline at {name}: {error}") from error


def diffused(model: Any, prompts: str | Sequence[str], strength: float = 0.3) -> Modality:
    """An image-to-image pipeline of diffusers as a modality.

    Args:
        model: what `pipeline` returns, or anything that is called as such pipelines are.
        prompts: what is wanted; one of them is drawn for each image.
        strength: how far from the image it may go, in (0, 1].

    Raises:
        SettingsError: no prompts, or a strength outside (0, 1].
    """
    wanted = [prompts] if isinstance(prompts, str) else list(prompts)
    if not wanted or not 0 < strength <= 1:
        raise SettingsError("a generative modality needs a prompt and a strength in (0, 1]")

    def synthesise(images: Tensor, draws: Draws, **options: Any) -> Synthetic:
        chosen = [wanted[i] for i in draws.integers(0, len(wanted)).tolist()]
        height, width = images.shape[-2:]
        # Latents are 8 times coarser.
        padded = F.pad(rgb(images), (0, -width % 8, 0, -height % 8), mode="replicate")
        made = model(
            prompt=chosen,
            image=padded,
            strength=strength,
            generator=[torch.Generator().manual_seed(seed) for seed in draws.seeds()],
            output_type="pt",
        ).images
        return Synthetic.of(made.to(images)[..., :height, :width])

    return synthesise

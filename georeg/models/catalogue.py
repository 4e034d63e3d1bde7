"""What weights there are. One file each; facts of the files, not of the networks.

Authors publish no checksums. Those that many unrelated projects record for the same address, or
that georeg's developers took from the file itself, are enforced when the file is fetched; others
are compared, and a difference is reported. A file may be 10 % larger than declared.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import PurePath

from georeg.errors import SettingsError

APACHE = "Apache-2.0: free for any use"
MIT = "MIT: free for any use"
BSD = "BSD-3-Clause: free for any use"
NON_COMMERCIAL = (
    "Magic Leap's licence for SuperPoint: for academic and other non-commercial research only, "
    "no commercial use, no redistribution"
)
# Of MatchAnything; the model cards still say Apache-2.0.
_REGISTER = "since 2026 its page is said to ask institutions to register"
_SLACK = 1.1
_MINIMA = "https://github.com/LSXI7/storage/releases/download/MINIMA/"
_MINIMA_MIRROR = "https://huggingface.co/lsxi77777/MINIMA/resolve/main/"
_LIGHTGLUE = "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv/"
_XFEAT = "https://github.com/verlab/accelerated_features/raw/main/weights/"


@dataclass(frozen=True)
class Entry:
    """One file of weights.

    Attributes:
        name: by which people ask for it.
        layout: of its tensors, a file in layouts/.
        file: its name in the store.
        size: bytes, as far as is known.
        licence: a plain sentence.
        urls: official one first, then mirrors; empty if it can only be imported.
        page: where people find it if there is no URL.
        sha256: hexadecimal, where known.
        enforced: whether a transfer with another checksum is refused rather than reported; a file
            that the user imports is the user's choice.
        asks: whether the licence must be agreed to.
        needs: other entries without which it is of no use.
        aliases: other names under which the file goes round.
        options: how the weights were trained, where their tensors don't tell: 'old-encoding' is
            LoFTR's first position encoding, which MINIMA's doesn't have.
        shipped: whether the file comes with georeg, in the folder shipped/.
        note: what else one should know.
    """

    name: str
    layout: str
    file: str
    size: int
    licence: str
    urls: tuple[str, ...] = ()
    page: str = ""
    sha256: str | None = None
    enforced: bool = False
    asks: bool = False
    needs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    shipped: bool = False
    note: str = ""

    def is_called(self, path: str) -> bool:
        """Whether a file has one of the names under which this one goes round."""
        known = (PurePath(self.file).stem, self.name, *self.aliases)
        return PurePath(path).stem.lower() in map(str.lower, known)

    @property
    def limit(self) -> int:
        """Bytes beyond which a transfer is refused."""
        return int(self.size * _SLACK)

    @property
    def megabytes(self) -> str:
        """The size for people."""
        return f"{self.size / 1e6:.3g} MB" if self.size < 1e9 else f"{self.size / 1e9:.2g} GB"


def _minima(
    kind: str, layout: str, suffix: str, size: int, licence: str,
    sha256: str | None = None, needs: tuple[str, ...] = (),
) -> Entry:  # fmt: skip
    file = f"minima_{kind}{suffix}"
    urls = (_MINIMA + file, _MINIMA_MIRROR + file)
    return Entry(f"minima_{kind}", layout, file, size, licence, urls, sha256=sha256, needs=needs)


ENTRIES = (
    Entry(
        "embedded", "embedded", "embedded.safetensors", 104_848, APACHE, shipped=True,
        note="comes with georeg",
    ),
    Entry(
        "embedded_own", "embedded", "embedded_own.ckpt", 104_848,
        "yours, as far as the images that it was trained on allow", page="georeg train --help",
        note="the embedded matcher as you trained it",
    ),
    _minima(
        "loftr", "loftr", ".ckpt", 46_350_788, APACHE,
        "810d19773ff898ba04a68c99a3eff9c112210bf884214bd76aec885e83b0e257",
    ),
    _minima("lightglue", "lightglue", ".pth", 47_484_144, APACHE, needs=("superpoint",)),
    _minima(
        "xoftr", "xoftr", ".ckpt", 44_484_144, APACHE,
        "551eaa814713b3c60ca380eda022be9b7609e51737302e12370f8943a1e864d7",
    ),
    _minima("eloftr", "eloftr", ".ckpt", 64_369_865, APACHE),
    _minima(
        "roma", "roma", ".pth", 445_638_463, MIT,
        "17f3923bd780e8f1450792706e0643f70c8864ad11bf5fd4f2b54714bac23538", ("dinov2_vitl14",),
    ),
    Entry(
        "dinov2_vitl14", "dinov2_vitl14", "dinov2_vitl14_pretrain.pth", 1_217_586_395, APACHE,
        ("https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",),
        sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        note="the image features of RoMa",
    ),
    Entry(
        "superpoint", "superpoint", "superpoint_v1.pth", 5_206_086, NON_COMMERCIAL, asks=True,
        page="https://github.com/magicleap/SuperPointPretrainedNetwork",
        note="georeg neither ships nor downloads it",
        sha256="52b6708629640ca883673b5d5c097c4ddad37d8048b33f09c8ca0d69db12c40e",
    ),
    Entry(
        "loftr_outdoor", "loftr", "loftr_outdoor.ckpt", 46_341_978, APACHE,
        ("https://cmp.felk.cvut.cz/~mishkdmy/models/loftr_outdoor.ckpt",),
        aliases=("outdoor_ds",), options=("old-encoding",), note="trained on colour photographs",
        sha256="21f5bec5968178e8bc8b7633441836fe5de4f47d861dd2cd7dc38e271b0479ec", enforced=True,
    ),
    Entry(
        "eloftr_outdoor", "eloftr", "eloftr_outdoor.ckpt", 64_369_865, APACHE,
        page="https://github.com/zju3dv/EfficientLoFTR", note="trained on colour photographs",
    ),
    Entry(
        "matchanything_eloftr", "eloftr", "matchanything_eloftr.ckpt", 64_366_723, APACHE,
        page="https://github.com/zju3dv/MatchAnything", note=_REGISTER,
    ),
    Entry(
        "matchanything_roma", "roma", "matchanything_roma.ckpt", 445_649_931, APACHE,
        page="https://github.com/zju3dv/MatchAnything", needs=("dinov2_vitl14",),
        note=f"if its tensors are RoMa's; {_REGISTER}",
    ),
    Entry(
        "xoftr_640", "xoftr", "weights_xoftr_640.ckpt", 44_486_099, APACHE,
        page="https://github.com/OnderT/XoFTR", note="trained on thermal infrared images",
        sha256="6e7f24e553f76746ef49061bf44c7d11252e56057470d1421bcd4e6506af3a67",
    ),
    Entry(
        "roma_outdoor", "roma", "roma_outdoor.pth", 445_647_516, MIT,
        ("https://github.com/Parskatt/storage/releases/download/roma/roma_outdoor.pth",),
        needs=("dinov2_vitl14",), note="trained on colour photographs",
        sha256="c7a45c80d41ad788a63c641d1b686d7cb3f297f40097c6f4e75039889e5cc8ba", enforced=True,
    ),
    Entry(
        "superpoint_lightglue", "lightglue", "superpoint_lightglue.pth", 47_484_144, APACHE,
        (_LIGHTGLUE + "superpoint_lightglue.pth",), needs=("superpoint",),
        sha256="6ff7040d0a497fc6639337946d7538dae07428c18f77a067a0b5a960e7cc551a", enforced=True,
    ),
    Entry(
        "aliked_lightglue", "lightglue_128", "aliked_lightglue.pth", 47_632_827, APACHE,
        (_LIGHTGLUE + "aliked_lightglue.pth",), needs=("aliked",),
        sha256="d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503", enforced=True,
    ),
    Entry(
        "disk_lightglue", "lightglue_128", "disk_lightglue.pth", 47_631_405, APACHE,
        (_LIGHTGLUE + "disk_lightglue.pth",), needs=("disk",),
        sha256="b5b21d47ea24f2c5e501aec9c91b9716e4c8c3429a4dc1e615c133c4c9378335", enforced=True,
    ),
    Entry(
        "aliked", "aliked_n16", "aliked-n16.pth", 2_738_091, BSD,
        (
            "https://github.com/Shiaoming/ALIKED/raw/main/models/aliked-n16.pth",
            "https://huggingface.co/kornia/aliked/resolve/main/aliked-n16.pth",
        ),
        sha256="5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2", enforced=True,
        note="key points for aliked_lightglue",
    ),
    Entry(
        "aliked_n16rot", "aliked_n16", "aliked-n16rot.pth", 2_738_325, BSD,
        (
            "https://github.com/Shiaoming/ALIKED/raw/main/models/aliked-n16rot.pth",
            "https://huggingface.co/kornia/aliked/resolve/main/aliked-n16rot.pth",
        ),
        sha256="ddf3abbf38e86f6a74540d214e1a9712c54b2d8551abc864542199f2347d7332", enforced=True,
        note="trained with turned images",
    ),
    Entry(
        "disk", "disk", "disk_depth.pth", 4_375_832, APACHE,
        ("https://raw.githubusercontent.com/cvlab-epfl/disk/master/depth-save.pth",),
        sha256="9c2ee4ded238892dfa51569941372601e35e4a74aa6f84ea80053d2ab1c07abe", enforced=True,
        aliases=("depth-save", "disk-depth-save"), note="key points for disk_lightglue",
    ),
    Entry(
        "xfeat", "xfeat", "xfeat.pt", 6_247_949, APACHE, (_XFEAT + "xfeat.pt",),
        sha256="0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b", enforced=True,
    ),
    Entry(
        "xfeat_lighterglue", "lighterglue", "xfeat-lighterglue.pt", 10_820_795, APACHE,
        (_XFEAT + "xfeat-lighterglue.pt",), needs=("xfeat",),
        sha256="766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8", enforced=True,
    ),
)  # fmt: skip


def names() -> list[str]:
    """All names, in the order in which they are listed."""
    return [entry.name for entry in ENTRIES]


def get(name: str) -> Entry:
    """The entry of a name.

    Raises:
        SettingsError: there is none.
    """
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    near = difflib.get_close_matches(name, names(), 1)
    hint = f": did you mean {near[0]}?" if near else ": 'georeg models list' shows all"
    raise SettingsError(f"no model '{name}'{hint}")


def with_layout(layout: str) -> list[Entry]:
    """Entries whose tensors look alike: only their names tell them apart."""
    return [entry for entry in ENTRIES if entry.layout == layout]

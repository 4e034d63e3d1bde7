"""Transform models: one file each, file name = `--transform` value."""

from georeg.transforms.base import LADDER, Transform, available, check_name, from_dict, load

__all__ = ["LADDER", "Transform", "available", "check_name", "from_dict", "load"]

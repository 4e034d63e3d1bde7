"""What can be chosen, in words: the panel and the toolbox say the same of it."""

from __future__ import annotations

from .engine.words import N_

# Values of the command line's options, the default first, and what they are called here.
MODALITIES = {
    "auto": N_("Decide by the data"),
    "optical": N_("Optical"),
    "sar": N_("Radar (SAR)"),
    "infrared": N_("Infrared"),
    "map": N_("Map or scan"),
    "dem": N_("Elevation (DEM)"),
}
TRANSFORMS = {
    "auto": N_("Simplest that predicts well"),
    "shift": N_("Shift"),
    "similarity": N_("Similarity (shift, rotation, scale)"),
    "affine": N_("Affine"),
    "projective": N_("Projective"),
    "polynomial2": N_("Polynomial, 2nd order"),
    "polynomial3": N_("Polynomial, 3rd order"),
    "tps": N_("Thin plate spline"),
    "field": N_("Displacement field"),
}
SEARCHES = {
    "auto": N_("Normal; wide without coordinates"),
    "normal": N_("Normal: up to 10° and 10 %"),
    "wide": N_("Wide: any rotation, scale 1/4 to 4"),
}
GRIDS = {
    "auto": N_("Own resolution, reference's CRS"),
    "reference": N_("The reference's pixels"),
    "moving": N_("The moving layer's pixels"),
}
RESAMPLINGS = {
    "auto": N_("Cubic; nearest for classes"),
    "nearest": N_("Nearest"),
    "bilinear": N_("Bilinear"),
    "cubic": N_("Cubic"),
    "lanczos": N_("Lanczos"),
    "average": N_("Average"),
    "mode": N_("Mode"),
}

# Of parameters of the algorithms; MODALITY and BANDS are those of either side.
TIPS = {
    "MODALITY": N_(
        "What kind of picture it is. Name it where radar or a map is taken for a photograph."
    ),
    "BANDS": N_("The bands that are compared. All of them are written, whatever is chosen here."),
    "NO_GEOREF": N_(
        "For scans and photographs without coordinates, or with wrong ones: the layer is looked "
        "for all over the reference, at any rotation, and from a quarter to four times the size."
    ),
    "TRANSFORM": N_(
        "How far the layer may be bent to fit. The simplest one that predicts places that weren't "
        "fitted is found by itself."
    ),
    "MATCHER": N_("How the same places are recognised in both layers"),
    "DEVICE": N_("Where the matcher computes"),
    "SEARCH": N_("Wide finds layers that are turned or of another scale, and takes longer."),
    "MAX_SHIFT": N_(
        "How far off the layer may be: 80 for pixels of the reference, 800m for metres."
    ),
    "MAX_RMSE": N_("Write nothing if the error (RMSE) is larger, in pixels of the reference."),
    "GRID": N_(
        "Where the pixels of the aligned raster lie. With the reference's, the two can be computed "
        "with each other."
    ),
    "RESAMPLING": N_("How values between pixels are found. Nearest keeps classes as they are."),
}

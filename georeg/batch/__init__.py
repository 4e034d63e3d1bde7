"""Many alignments: manifests, resumable jobs, executors, time series."""

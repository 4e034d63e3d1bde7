"""The sample pair of `georeg demo`; installed as georeg_cli._sample."""

"""Where jobs are done: one file per executor; file name = --executor value."""

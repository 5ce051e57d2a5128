"""View: the object store, stage-in, and the description of files as STAC."""

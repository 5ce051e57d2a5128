"""OGC API - Records: the workflows, experiments and products of the Open Science Catalog as records."""

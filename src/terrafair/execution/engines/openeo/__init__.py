"""The openEO engine: process library and evaluator on xarray and Dask."""

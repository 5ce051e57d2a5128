"""Pictures of data: map tiles, legends, histograms and time series, made from files as they lie."""

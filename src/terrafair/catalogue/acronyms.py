"""Acronyms of Earth observation with the words that titles and descriptions have instead."""

from collections.abc import Mapping

ACRONYMS: Mapping[str, str] = {
    "agb": "above ground biomass",
    "aod": "aerosol optical depth",
    "aot": "aerosol optical thickness",
    "chla": "chlorophyll a",
    "dem": "digital elevation model",
    "fapar": "fraction of absorbed photosynthetically active radiation",
    "gpp": "gross primary production",
    "insar": "interferometry",
    "lai": "leaf area index",
    "lst": "land surface temperature",
    "lulc": "land cover",
    "ndvi": "vegetation index",
    "sar": "synthetic aperture radar",
    "sic": "sea ice concentration",
    "sit": "sea ice thickness",
    "sla": "sea level anomaly",
    "ssh": "sea surface height",
    "sss": "sea surface salinity",
    "sst": "sea surface temperature",
    "swe": "snow water equivalent",
    "swh": "significant wave height",
    "vod": "vegetation optical depth",
}
"""Lower case -> words of the GCMD and CF vocabularies."""

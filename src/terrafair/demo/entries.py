"""What the test catalogue says: its project, products, workflows and experiments, as values."""

from dataclasses import dataclass
from datetime import timedelta

from terrafair.demo import dataset, experiments, products, stac
from terrafair.demo.scene import DAYS, FIRST
from terrafair.demo.stac import Frame

PROJECT = "terrafair-demo"
PROJECT_TITLE = "terrafair demo"
CODE = "https://git.terrafair.example/demo/workflows"
"""Where the code repository is said to lie; the platform's mirrors answer for it, no network does."""

THEME, THEME_TITLE = "land", "Land"
THEMES = [{"scheme": "https://github.com/stac-extensions/osc#theme", "concepts": [{"id": THEME}]}]
"""The field `themes` of every entry."""
MISSION, MISSION_TITLE = "sentinel-2", "Sentinel-2"
INTERVAL = [stac.text(FIRST), stac.text(FIRST + timedelta(days=DAYS[-1]))]
"""First and last image."""

NDVI_VARIABLE = "normalised-difference-vegetation-index-ndvi"


@dataclass(frozen=True, slots=True)
class Variable:
    """A geophysical variable, as the Open Science Catalog describes it."""

    id: str
    title: str
    description: str
    about: str
    """Where the definition comes from."""


@dataclass(frozen=True, slots=True)
class Product:
    """A dataset in the object store."""

    id: str
    title: str
    description: str
    data: str
    """Key of its STAC collection in the object store."""
    frame: Frame
    variables: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    """CF names and units."""
    keywords: tuple[str, ...]
    experiment: str = ""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow in the code repository, with the one experiment that ran it."""

    id: str
    title: str
    description: str
    path: str
    """Of the application in the code repository."""
    media_type: str
    application: str
    """`application:type` of the records."""
    application_title: str
    experiment: str
    experiment_title: str
    experiment_description: str
    product: str
    keywords: tuple[str, ...]
    formats: tuple[tuple[str, str], ...]
    """Names and media types of what it writes."""
    container: bool = False
    notebook: bool = False


VARIABLES = (
    Variable(
        "surface-reflectance",
        "Surface Reflectance",
        "The ratio of reflected radiation to that of the incident radiation on a surface.",
        "https://gcmd.earthdata.nasa.gov/KeywordViewer/scheme/all/f043c0a8-9cee-4c51-bf64-a4aaa34ab75d"
        "?gtm_keyword=REFLECTANCE&gtm_scheme=Earth%20Science",
    ),
    Variable(
        NDVI_VARIABLE,
        "Normalised Difference Vegetation Index (NDVI)",
        "Difference between maximum (in NIR) and minimum (around the Red) vegetation reflectance, normalised to the "
        "summation. Representative of total biomass, supportive for computing LAI if not directly measured",
        "https://space.oscar.wmo.int/variables/view/normalised_difference_vegetation_index_ndvi",
    ),
    Variable(
        "total-surface-water",
        "Total Surface Water",
        "All bodies of water on the surface of the Earth.",
        "https://gcmd.earthdata.nasa.gov/KeywordViewer/scheme/Earth%20Science/6f52de55-f5f2-45c0-b83f-59dbfb1fe221"
        "?gtm_keyword=TOTAL%20SURFACE%20WATER&gtm_scheme=Earth%20Science",
    ),
    Variable(
        "current-crop-stage",
        "Current Crop Stage",
        "Spatially explicit identification of the stage of growth in which a crop is during the current cropping "
        "cycle.",
        "https://agvariables.org/eav/current-crop-stage",
    ),
)


def all_products() -> tuple[Product, ...]:
    """Give the input dataset and the results of the three experiments."""
    extent = experiments.values("demo-ndvi")["spatial_extent"]
    composite = products.projected_frame(extent["west"], extent["south"], extent["east"], extent["north"])
    lake = products.geographic_frame([float(part) for part in experiments.values("demo-water")["bbox"].split(",")])
    source = Product(
        dataset.ID,
        dataset.TITLE,
        dataset.DESCRIPTION,
        f"datasets/{dataset.ID}/collection.json",
        stac.WHOLE,
        ("surface-reflectance",),
        (("surface_bidirectional_reflectance", "1"),),
        ("Sentinel-2", "surface reflectance", "time series", "simulated"),
    )
    return (
        source,
        _result(
            products.NDVI,
            composite,
            (NDVI_VARIABLE,),
            (("normalized_difference_vegetation_index", "1"),),
            ("NDVI", "composite", "vegetation"),
            "demo-ndvi",
        ),
        _result(
            products.WATER,
            lake,
            ("total-surface-water",),
            (("area_fraction", "1"),),
            ("surface water", "NDWI", "Otsu"),
            "demo-water",
        ),
        _result(
            products.PHENOLOGY,
            stac.WHOLE,
            ("current-crop-stage", NDVI_VARIABLE),
            (("day_of_year_of_peak_greenness", "d"), ("normalized_difference_vegetation_index", "1")),
            ("phenology", "crops", "NDVI", "time series"),
            "demo-phenology",
        ),
    )


def _result(
    identifier: str,
    frame: Frame,
    variables: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    keywords: tuple[str, ...],
    experiment: str,
) -> Product:
    return Product(
        identifier,
        products.TITLES[identifier],
        products.DESCRIPTIONS[identifier],
        f"products/{identifier}/collection.json",
        frame,
        variables,
        parameters,
        (*keywords, "Sentinel-2", "simulated"),
        experiment,
    )


_COG = ("Cloud-Optimized GeoTIFF", stac.COG)

WORKFLOWS = (
    Workflow(
        id="demo-ndvi-workflow",
        title="Cloud-free NDVI composite (openEO)",
        description="An openEO process that loads red, near infrared and scene classification of a STAC collection, "
        "computes the NDVI of the surface reflectance, leaves out cloud, shadow and no data, and takes the median over "
        "time. Parameters: collection, spatial extent and temporal extent.",
        path="ndvi/graph.json",
        media_type="application/vnd.openeo+json;type=process",
        application="openeo-process",
        application_title="openEO process: Cloud-free NDVI composite",
        experiment="demo-ndvi",
        experiment_title="NDVI composite of the growing season 2024",
        experiment_description="Runs the cloud-free NDVI composite on all clear observations from April to September "
        "2024 over most of the simulated scene.",
        product=products.NDVI,
        keywords=("openEO", "NDVI", "composite", "Sentinel-2"),
        formats=(("GeoTIFF", "image/tiff; application=geotiff"),),
    ),
    Workflow(
        id="demo-water-workflow",
        title="Surface water by NDWI and Otsu's threshold (CWL)",
        description="An OGC application package (20-089) that chooses the clear items of a STAC collection, cuts green "
        "and near infrared to an area, computes the NDWI, splits it at Otsu's threshold, and describes the water masks "
        "and their occurrence as STAC.",
        path="water/app.cwl",
        media_type="application/cwl",
        application="cwl",
        application_title="OGC Application Package: Surface water",
        experiment="demo-water",
        experiment_title="Surface water of the lake in 2024",
        experiment_description="Maps the water of the simulated lake on the four dates with little cloud between April "
        "and July 2024.",
        product=products.WATER,
        keywords=("CWL", "application package", "NDWI", "Otsu", "surface water", "Sentinel-2"),
        formats=(_COG, ("STAC", "application/json")),
        container=True,
    ),
    Workflow(
        id="demo-phenology-workflow",
        title="Crop phenology of field parcels (notebook)",
        description="A Jupyter notebook that computes the NDVI of all items of a STAC collection, finds the day on "
        "which each pixel is greenest, and writes the series of each field parcel.",
        path="phenology/phenology.ipynb",
        media_type="application/x-ipynb+json",
        application="jupyter-notebook",
        application_title="Jupyter Notebook: Crop phenology of field parcels",
        experiment="demo-phenology",
        experiment_title="Crop phenology of the growing season 2024",
        experiment_description="Runs the crop phenology notebook on all eight simulated dates and all whole parcels.",
        product=products.PHENOLOGY,
        keywords=("Jupyter", "phenology", "NDVI", "crops", "Sentinel-2"),
        formats=(_COG, ("CSV", "text/csv"), ("GeoJSON", "application/geo+json")),
        notebook=True,
    ),
)

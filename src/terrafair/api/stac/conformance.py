"""What the API declares; pystac-client knows the v1.0.0 URIs and no others."""

_STAC = "https://api.stacspec.org/v1.0.0"
_ITEM_SEARCH = ("", "#fields", "#filter", "#query", "#sort", "#free-text", "#context")
_FEATURES = ("", "#fields", "#filter", "#query", "#sort", "#free-text")
_COLLECTION_SEARCH = ("", "#fields", "#filter", "#query", "#sort", "#free-text")
_CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf"
_FEATURES_OGC = "http://www.opengis.net/spec/ogcapi-features"
_COMMON = "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf"

CQL2 = tuple(
    f"{_CQL2}/{name}"
    for name in (
        *("cql2-text", "cql2-json", "basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison"),
        *("accent-insensitive-comparison", "basic-spatial-functions", "basic-spatial-functions-plus"),
        *("basic-spatial-operators", "spatial-functions", "spatial-operators", "temporal-functions"),
        *("temporal-operators", "array-functions", "array-operators", "property-property", "arithmetic"),
    )
)

CLASSES = (
    f"{_STAC}/core",
    f"{_STAC}/browseable",
    f"{_STAC}/children",
    f"{_STAC}/collections",
    f"{_STAC}/collections/extensions/transaction",
    f"{_STAC}/ogcapi-features/extensions/transaction",
    f"{_STAC}/aggregation",
    *(f"{_STAC}/item-search{part}" for part in _ITEM_SEARCH),
    *(f"{_STAC}/ogcapi-features{part}" for part in _FEATURES),
    *(f"{_STAC}/collection-search{part}" for part in _COLLECTION_SEARCH),
    f"{_COMMON}/simple-query",
    f"{_FEATURES_OGC}-1/1.0/conf/core",
    f"{_FEATURES_OGC}-1/1.0/conf/geojson",
    f"{_FEATURES_OGC}-1/1.0/conf/oas30",
    f"{_FEATURES_OGC}-3/1.0/conf/filter",
    f"{_FEATURES_OGC}-3/1.0/conf/features-filter",
    f"{_FEATURES_OGC}-3/1.0/conf/queryables",
    f"{_FEATURES_OGC}-4/1.0/conf/create-replace-delete",
    *CQL2,
)

"""Choose the items of a staged STAC catalogue that touch the area and are clear enough."""

import argparse
import json
from pathlib import Path
from typing import Any


def items(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every STAC item below the folder with its place: a file, or a file and the id inside an item collection."""
    found = []
    for file in sorted(folder.rglob("*.json")):
        document = json.loads(file.read_text("utf-8"))
        place = file.relative_to(folder).as_posix()
        if document.get("type") == "Feature" and "stac_version" in document:
            found.append((place, document))
        elif document.get("type") == "FeatureCollection":
            features = [feature for feature in document["features"] if "stac_version" in feature]
            found += [(f"{place}#{feature['id']}", feature) for feature in features]
    return found


def suits(item: dict[str, Any], bbox: list[float], max_cloud_cover: float) -> bool:
    """Whether the item touches the area and is clear enough."""
    west, south, east, north = bbox
    left, bottom, right, top = item["bbox"]
    touches = left < east and right > west and bottom < north and top > south
    return bool(touches and item["properties"].get("eo:cloud_cover", 0) <= max_cloud_cover)


def main() -> None:
    """Write the places of the chosen items, oldest first, as the step's output."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stac", type=Path, required=True)
    arguments.add_argument("--bbox", required=True)
    arguments.add_argument("--max-cloud-cover", type=float, required=True)
    options = arguments.parse_args()
    bbox = [float(part) for part in options.bbox.split(",")]
    chosen = [
        (item["properties"]["datetime"], place)
        for place, item in items(options.stac)
        if suits(item, bbox, options.max_cloud_cover)
    ]
    if not chosen:
        raise SystemExit(
            f"No item in {options.stac} touches {options.bbox} with at most "
            f"{options.max_cloud_cover:g} % cloud; widen bbox or raise max_cloud_cover."
        )
    Path("cwl.output.json").write_text(json.dumps({"items": [place for _, place in sorted(chosen)]}), "utf-8")


if __name__ == "__main__":
    main()

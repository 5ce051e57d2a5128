#!/usr/bin/env cwl-runner
# OGC 20-089 application package: surface water of a lake from Sentinel-2 like images.
#
#   find the items -> for each item: crop -> index (NDWI) -> Otsu's threshold -> one STAC catalogue
#
# The package is this one file: each step brings its program (`steps/*.py`, kept equal to it by a test) into its working
# directory, so that it runs the same in the container and in any Python that has numpy and rasterio.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:softwareVersion: 1.0.0
s:license: https://spdx.org/licenses/MIT
s:author:
  - class: s:Organization
    s:name: The terrafair developers

$graph:
  - class: Workflow
    id: main
    label: Surface water by NDWI and Otsu's threshold
    doc: >-
      Maps open water from the green and near-infrared band of each item that is clear enough, and how often each
      pixel was water.
    requirements:
      ScatterFeatureRequirement: {}
    inputs:
      stac:
        type: Directory
        label: STAC catalogue
        doc: A staged STAC item or collection with surface reflectance and a scene classification (SCL).
      bbox:
        type: string
        label: Area of interest
        doc: West, south, east and north in degrees (WGS 84), separated by commas.
      bands:
        type: string[]
        label: Bands
        doc: Names or common names of the green and the near-infrared band.
        default: [green, nir]
      max_cloud_cover:
        type: float
        label: Highest cloud cover
        doc: Items with more cloud than this (per cent, eo:cloud_cover) are left out.
        default: 20.0
    steps:
      find_items:
        run: "#find-items"
        in:
          stac: stac
          bbox: bbox
          max_cloud_cover: max_cloud_cover
        out: [items]
      crop:
        run: "#crop"
        scatter: item
        in:
          stac: stac
          item: find_items/items
          bbox: bbox
          bands: bands
        out: [image]
      ndwi:
        run: "#ndwi"
        scatter: image
        in:
          image: crop/image
        out: [index]
      otsu:
        run: "#otsu"
        scatter: index
        in:
          index: ndwi/index
        out: [mask]
      describe:
        run: "#describe"
        in:
          masks: otsu/mask
        out: [results]
    outputs:
      results:
        type: Directory
        label: Water masks
        doc: A STAC catalogue with a water mask for each date, and how often each pixel was water.
        outputSource: describe/results

  - class: CommandLineTool
    id: find-items
    label: Choose the items
    hints:
      DockerRequirement:
        dockerPull: terrafair/demo-water:1.0
    requirements:
      ResourceRequirement:
        coresMax: 1
        ramMax: 1024
      InitialWorkDirRequirement:
        listing:
          - entryname: find_items.py
            entry: |
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
    baseCommand: [python3, find_items.py]
    inputs:
      stac:
        type: Directory
        inputBinding: {prefix: --stac}
      bbox:
        type: string
        inputBinding: {prefix: --bbox=, separate: false}
      max_cloud_cover:
        type: float
        inputBinding: {prefix: --max-cloud-cover}
    outputs:
      items:
        type: string[]

  - class: CommandLineTool
    id: crop
    label: Cut to the area
    hints:
      DockerRequirement:
        dockerPull: terrafair/demo-water:1.0
    requirements:
      ResourceRequirement:
        coresMax: 1
        ramMax: 1024
      InitialWorkDirRequirement:
        listing:
          - entryname: crop.py
            entry: |
              """Cut two bands and the scene classification of one item to the area, as reflectance in one file."""

              import argparse
              import json
              import math
              from pathlib import Path
              from typing import Any
              from urllib.parse import unquote, urlparse

              import numpy as np
              import rasterio
              from rasterio.warp import transform_bounds
              from rasterio.windows import Window


              def read_item(folder: Path, place: str) -> tuple[dict[str, Any], Path]:
                  """The item at the place, and the folder that its relative links start from."""
                  name, _, identifier = place.partition("#")
                  document = json.loads((folder / name).read_text("utf-8"))
                  if identifier:
                      document = next(feature for feature in document["features"] if feature["id"] == identifier)
                  return document, (folder / name).parent


              def asset(item: dict[str, Any], band: str) -> dict[str, Any]:
                  """The asset that holds the band, by its key, its band's name or its common name (`green`)."""
                  for key, entry in item["assets"].items():
                      names = {key} | {part.get(name) for part in entry.get("bands", []) for name in ("name", "eo:common_name")}
                      if band in names:
                          return dict(entry)
                  raise SystemExit(f"{item['id']} has no band {band!r}; it has {', '.join(item['assets'])}.")


              def local(href: str, folder: Path) -> Path:
                  """The file that a relative link, an absolute path or a file URL names."""
                  return Path(unquote(urlparse(href).path)) if href.startswith("file:") else folder / href


              def window(source: Any, bbox: list[float]) -> Window:
                  """The whole pixels that the area touches, inside the image."""
                  west, south, east, north = transform_bounds("EPSG:4326", source.crs, *bbox, densify_pts=21)
                  pixel = source.transform.a
                  left = max(0, math.floor((west - source.bounds.left) / pixel))
                  right = min(source.width, math.ceil((east - source.bounds.left) / pixel))
                  top = max(0, math.floor((source.bounds.top - north) / pixel))
                  bottom = min(source.height, math.ceil((source.bounds.top - south) / pixel))
                  if left >= right or top >= bottom:
                      raise SystemExit(f"The area {bbox} does not touch the image.")
                  return Window(left, top, right - left, bottom - top)


              def main() -> None:
                  """Write `ID.tif` with the two bands and the classes."""
                  arguments = argparse.ArgumentParser(description=__doc__)
                  arguments.add_argument("--stac", type=Path, required=True)
                  arguments.add_argument("--item", required=True)
                  arguments.add_argument("--bbox", required=True)
                  arguments.add_argument("bands", nargs=2)
                  options = arguments.parse_args()
                  bbox = [float(part) for part in options.bbox.split(",")]
                  item, folder = read_item(options.stac, options.item)
                  layers, profile = [], {}
                  for band in [*options.bands, "SCL"]:
                      entry = asset(item, band)
                      with rasterio.open(local(entry["href"], folder)) as source:
                          part = window(source, bbox)
                          values = source.read(1, window=part).astype("float32")
                          profile = {"crs": source.crs, "transform": source.window_transform(part)}
                      scale, offset = entry.get("raster:scale", 1.0), entry.get("raster:offset", 0.0)
                      layers.append(np.where(values == entry.get("nodata", 0), np.nan, values * scale + offset))
                  height, width = layers[0].shape
                  with rasterio.open(
                      f"{item['id']}.tif",
                      "w",
                      driver="GTiff",
                      count=3,
                      height=height,
                      width=width,
                      dtype="float32",
                      nodata=math.nan,
                      compress="deflate",
                      **profile,
                  ) as target:
                      target.write(np.stack(layers).astype("float32"))
                      target.update_tags(ITEM=item["id"], DATETIME=item["properties"]["datetime"])


              if __name__ == "__main__":
                  main()
    baseCommand: [python3, crop.py]
    inputs:
      stac:
        type: Directory
        inputBinding: {prefix: --stac}
      item:
        type: string
        inputBinding: {prefix: --item}
      bbox:
        type: string
        inputBinding: {prefix: --bbox=, separate: false}
      bands:
        type: string[]
        inputBinding: {position: 1}
    outputs:
      image:
        type: File
        outputBinding: {glob: "*.tif"}

  - class: CommandLineTool
    id: ndwi
    label: Water index
    hints:
      DockerRequirement:
        dockerPull: terrafair/demo-water:1.0
    requirements:
      ResourceRequirement:
        coresMax: 1
        ramMax: 1024
      InitialWorkDirRequirement:
        listing:
          - entryname: ndwi.py
            entry: |
              """Compute the normalised difference water index of McFeeters (1996) where the sky is clear."""

              import argparse
              from pathlib import Path

              import numpy as np
              import rasterio

              CLEAR = (4, 5, 6, 7)
              """Classes of Sen2Cor without cloud, shadow or defect: vegetation, bare soil, water, unclassified."""


              def main() -> None:
                  """Write `ndwi-NAME.tif`; not-a-number under cloud and shadow."""
                  arguments = argparse.ArgumentParser(description=__doc__)
                  arguments.add_argument("image", type=Path)
                  options = arguments.parse_args()
                  with rasterio.open(options.image) as source:
                      green, nir, classes = source.read().astype("float64")
                      profile, tags = source.profile, source.tags()
                  total = green + nir
                  clear = np.isin(classes, CLEAR) & (total > 0)
                  index = np.where(clear, (green - nir) / np.where(total > 0, total, 1.0), np.nan)
                  profile.update(count=1, dtype="float32")
                  with rasterio.open(f"ndwi-{options.image.name}", "w", **profile) as target:
                      target.write(index.astype("float32"), 1)
                      target.update_tags(**{name: tags[name] for name in ("ITEM", "DATETIME")})


              if __name__ == "__main__":
                  main()
    baseCommand: [python3, ndwi.py]
    inputs:
      image:
        type: File
        inputBinding: {position: 1}
    outputs:
      index:
        type: File
        outputBinding: {glob: "ndwi-*.tif"}

  - class: CommandLineTool
    id: otsu
    label: Otsu's threshold
    hints:
      DockerRequirement:
        dockerPull: terrafair/demo-water:1.0
    requirements:
      ResourceRequirement:
        coresMax: 1
        ramMax: 1024
      InitialWorkDirRequirement:
        listing:
          - entryname: otsu.py
            entry: |
              """Split an index into water and land at the threshold of Otsu (1979)."""

              import argparse
              from pathlib import Path

              import numpy as np
              import rasterio

              NODATA = 255


              def threshold(values: np.ndarray) -> float:
                  """The value between -1 and 1 that separates two classes best; the middle where a range of values does so."""
                  counts, edges = np.histogram(values, bins=200, range=(-1.0, 1.0))
                  centres = (edges[:-1] + edges[1:]) / 2
                  below = np.cumsum(counts)[:-1].astype("float64")
                  above = counts.sum() - below
                  sums = np.cumsum(counts * centres)
                  usable = (below > 0) & (above > 0)
                  if not usable.any():
                      raise SystemExit("The index has one value only; no threshold separates it.")
                  mean_below = sums[:-1] / np.maximum(below, 1)
                  mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
                  variance = np.where(usable, below * above * (mean_below - mean_above) ** 2, -1.0)
                  best = np.flatnonzero(variance >= variance.max() * (1 - 1e-9))
                  return float((edges[best[0] + 1] + edges[best[-1] + 1]) / 2)


              def main() -> None:
                  """Write `water-DATE.tif`: 1 water, 0 land, 255 unknown."""
                  arguments = argparse.ArgumentParser(description=__doc__)
                  arguments.add_argument("index", type=Path)
                  options = arguments.parse_args()
                  with rasterio.open(options.index) as source:
                      index, crs, transform, tags = source.read(1), source.crs, source.transform, source.tags()
                  known = np.isfinite(index)
                  if not known.any():
                      raise SystemExit(f"{options.index.name} has no clear pixel; lower max_cloud_cover.")
                  limit = threshold(index[known])
                  mask = np.where(known, index > limit, NODATA).astype("uint8")
                  height, width = mask.shape
                  day = tags["DATETIME"][:10].replace("-", "")
                  with rasterio.open(
                      f"water-{day}.tif",
                      "w",
                      driver="COG",
                      count=1,
                      height=height,
                      width=width,
                      dtype="uint8",
                      nodata=NODATA,
                      crs=crs,
                      transform=transform,
                      compress="deflate",
                      overview_resampling="nearest",
                  ) as target:
                      target.write(mask, 1)
                      target.set_band_description(1, "water")
                      target.update_tags(THRESHOLD=f"{limit:.4f}", ITEM=tags["ITEM"], DATETIME=tags["DATETIME"])


              if __name__ == "__main__":
                  main()
    baseCommand: [python3, otsu.py]
    inputs:
      index:
        type: File
        inputBinding: {position: 1}
    outputs:
      mask:
        type: File
        outputBinding: {glob: "water-*.tif"}

  - class: CommandLineTool
    id: describe
    label: Describe as STAC
    hints:
      DockerRequirement:
        dockerPull: terrafair/demo-water:1.0
    requirements:
      ResourceRequirement:
        coresMax: 1
        ramMax: 1024
      InitialWorkDirRequirement:
        listing:
          - entryname: describe.py
            entry: |
              """Gather the water masks, add how often each pixel was water, and describe all of it as a STAC catalogue."""

              import argparse
              import hashlib
              import json
              import math
              import shutil
              from pathlib import Path
              from typing import Any

              import numpy as np
              import rasterio
              from rasterio.warp import transform_geom

              COG = "image/tiff; application=geotiff; profile=cloud-optimized"
              EXTENSIONS = [
                  "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
                  "https://stac-extensions.github.io/file/v2.1.0/schema.json",
              ]


              def occurrence(masks: list[Path], target: Path) -> None:
                  """Write the share of clear dates on which each pixel was water."""
                  stack = []
                  for file in masks:
                      with rasterio.open(file) as source:
                          stack.append(np.where(source.read(1) == source.nodata, np.nan, source.read(1)))
                          crs, transform = source.crs, source.transform
                  seen = np.sum(np.isfinite(stack), axis=0)
                  share = np.where(seen > 0, np.nansum(stack, axis=0) / np.maximum(seen, 1), np.nan).astype("float32")
                  height, width = share.shape
                  with rasterio.open(
                      target,
                      "w",
                      driver="COG",
                      count=1,
                      height=height,
                      width=width,
                      dtype="float32",
                      nodata=math.nan,
                      crs=crs,
                      transform=transform,
                      compress="deflate",
                  ) as result:
                      result.write(share, 1)
                      result.set_band_description(1, "water_occurrence")


              def item(file: Path, properties: dict[str, Any], title: str) -> dict[str, Any]:
                  """The STAC item of one raster."""
                  with rasterio.open(file) as source:
                      left, bottom, right, top = source.bounds
                      ring = [[left, top], [left, bottom], [right, bottom], [right, top], [left, top]]
                      geometry = transform_geom(source.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=6)
                      properties |= {
                          "proj:code": source.crs.to_string(),
                          "proj:shape": list(source.shape),
                          "proj:transform": list(source.transform)[:6],
                      }
                      band = {
                          "name": source.descriptions[0],
                          "data_type": source.dtypes[0],
                          "nodata": "nan" if math.isnan(source.nodata) else source.nodata,
                      }
                  longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
                  return {
                      "type": "Feature",
                      "stac_version": "1.1.0",
                      "stac_extensions": EXTENSIONS,
                      "id": file.stem,
                      "geometry": geometry,
                      "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
                      "properties": properties,
                      "links": [
                          {"rel": "root", "href": "../catalog.json", "type": "application/json"},
                          {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
                      ],
                      "assets": {
                          file.name: {
                              "href": file.name,
                              "type": COG,
                              "title": title,
                              "roles": ["data"],
                              "bands": [band],
                              "file:size": file.stat().st_size,
                              "file:checksum": "1220" + hashlib.sha256(file.read_bytes()).hexdigest(),
                          }
                      },
                  }


              def main() -> None:
                  """Write the folder `water` with catalog.json and an item for each raster."""
                  arguments = argparse.ArgumentParser(description=__doc__)
                  arguments.add_argument("masks", type=Path, nargs="+")
                  masks = sorted(arguments.parse_args().masks, key=lambda file: file.name)
                  folder, documents, times = Path("water"), [], []
                  for file in masks:
                      target = folder / file.stem / file.name
                      target.parent.mkdir(parents=True)
                      shutil.copyfile(file, target)
                      with rasterio.open(file) as source:
                          tags, water = source.tags(), int(np.count_nonzero(source.read(1) == 1))
                          area = water * abs(source.transform.a * source.transform.e)
                      times.append(tags["DATETIME"])
                      documents.append(
                          item(
                              target,
                              {
                                  "datetime": tags["DATETIME"],
                                  "water_area_m2": area,
                                  "otsu_threshold": float(tags["THRESHOLD"]),
                                  "source_item": tags["ITEM"],
                              },
                              "Surface water: 1 water, 0 land, 255 unknown",
                          )
                      )
                  target = folder / "water-occurrence" / "water-occurrence.tif"
                  target.parent.mkdir()
                  occurrence(masks, target)
                  documents.append(
                      item(
                          target,
                          {"datetime": None, "start_datetime": min(times), "end_datetime": max(times)},
                          "Share of clear dates with water",
                      )
                  )
                  links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
                  for document in documents:
                      name = f"{document['id']}/{document['id']}.json"
                      (folder / name).write_text(json.dumps(document, indent=2), "utf-8")
                      links.append({"rel": "item", "href": f"./{name}", "type": "application/geo+json"})
                  catalogue = {
                      "type": "Catalog",
                      "stac_version": "1.1.0",
                      "id": "water",
                      "title": "Surface water",
                      "description": "Surface water by NDWI and Otsu's threshold.",
                      "links": links,
                  }
                  (folder / "catalog.json").write_text(json.dumps(catalogue, indent=2), "utf-8")


              if __name__ == "__main__":
                  main()
    baseCommand: [python3, describe.py]
    inputs:
      masks:
        type: File[]
        inputBinding: {position: 1}
    outputs:
      results:
        type: Directory
        outputBinding: {glob: water}

cwlVersion: v1.2
$namespaces: {s: "https://schema.org/"}
s:softwareVersion: 1.0.0
$graph:
  - class: Workflow
    id: water-bodies
    label: Water bodies
    doc: Finds water in one staged acquisition by a normalised difference of two bands and Otsu's threshold.
    requirements:
      - class: ScatterFeatureRequirement
    inputs:
      item: {type: Directory, label: Acquisition, doc: Folder with a STAC catalogue and its item.}
      aoi: {type: string, label: Area, doc: "Bounding box: west,south,east,north."}
      epsg: {type: string, default: "EPSG:4326", label: Projection, doc: That the area is given in.}
      bands: {type: "string[]", default: [green, nir], label: Bands, doc: Common names; the first is high on water.}
    outputs:
      - id: stac_catalog
        label: Water mask
        doc: A STAC catalogue with one item.
        type: Directory
        outputSource: [describe/stac_catalog]
    steps:
      cut:
        run: "#crop"
        scatter: band
        scatterMethod: dotproduct
        in: {item: item, aoi: aoi, epsg: epsg, band: bands}
        out: [cropped]
      index:
        run: "#norm_diff"
        in:
          rasters: {source: cut/cropped}
        out: [ndwi]
      threshold:
        run: "#otsu"
        in:
          raster: {source: index/ndwi}
        out: [mask]
      describe:
        run: "#stac"
        in:
          item: item
          raster: {source: threshold/mask}
        out: [stac_catalog]
  - class: CommandLineTool
    id: crop
    requirements: &needs
      InlineJavascriptRequirement: {}
      EnvVarRequirement:
        envDef:
          PATH: /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
          PYTHONPATH: /app
      ResourceRequirement: {coresMax: 1, ramMax: 512}
    hints:
      DockerRequirement:
        dockerPull: registry.example.org/eo/water-bodies/crop@sha256:1111111111111111111111111111111111111111111111111111111111111111
    baseCommand: [python, -m, app]
    arguments: []
    inputs:
      item: {type: Directory, inputBinding: {prefix: --item}}
      aoi: {type: string, inputBinding: {prefix: --aoi}}
      epsg: {type: string, inputBinding: {prefix: --epsg}}
      band: {type: string, inputBinding: {prefix: --band}}
    outputs:
      cropped: {type: File, outputBinding: {glob: "*.tif"}}
  - class: CommandLineTool
    id: norm_diff
    requirements: *needs
    hints:
      DockerRequirement:
        dockerPull: registry.example.org/eo/water-bodies/norm_diff:1.0.0
    baseCommand: [python, -m, app]
    inputs:
      rasters: {type: "File[]", inputBinding: {position: 1}}
    outputs:
      ndwi: {type: File, outputBinding: {glob: "*.tif"}}
  - class: CommandLineTool
    id: otsu
    requirements: *needs
    hints:
      DockerRequirement:
        dockerPull: registry.example.org/eo/water-bodies/otsu:1.0.0
    baseCommand: [python, -m, app]
    inputs:
      raster: {type: File, inputBinding: {position: 1}}
    outputs:
      mask: {type: File, outputBinding: {glob: "*.tif"}}
  - class: CommandLineTool
    id: stac
    requirements: *needs
    hints:
      DockerRequirement:
        dockerPull: registry.example.org/eo/water-bodies/stac:1.0.0
    baseCommand: [python, -m, app]
    inputs:
      item: {type: Directory, inputBinding: {prefix: --item}}
      raster: {type: File, inputBinding: {prefix: --raster}}
    outputs:
      stac_catalog: {type: Directory, outputBinding: {glob: .}}
s:codeRepository: https://git.example.org/eo/water-bodies

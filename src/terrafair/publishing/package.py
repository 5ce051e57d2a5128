"""The archive's machine route as a CWL package, as EarthCODE asks of platforms: a delivery folder in, nothing out."""

IMAGE = "eoepca/reg-api-client:latest"


def delivery_package(collection: str) -> str:
    """A CWL tool around the registration interface's own client, one item a step.

    Names and endpoints are inputs; the password comes through the environment, never through an argument.
    """
    return f"""\
cwlVersion: v1.2
$graph:
  - id: main
    class: Workflow
    label: Deliver {collection} to ESA's Project Results Repository
    requirements:
      ScatterFeatureRequirement: {{}}
    inputs:
      items:
        type: File[]
        doc: STAC Items of the delivery folder (items/*.json)
      data:
        type: Directory
        doc: The delivery folder's data/
      collection:
        type: string
        default: {collection}
      username:
        type: string
      password:
        type: string
        doc: Given through the environment of the tool
      bucket:
        type: string
        doc: Stage-in bucket, e.g. sg-USERNAME-generic
      endpoint:
        type: string
        default: https://eoresults.esa.int/reg-api/
      s3_endpoint:
        type: string
        default: https://eoresults.esa.int
    outputs:
      replies:
        type: File[]
        outputSource: register/reply
    steps:
      register:
        run: "#register"
        scatter: item
        in:
          item: items
          data: data
          collection: collection
          username: username
          password: password
          bucket: bucket
          endpoint: endpoint
          s3_endpoint: s3_endpoint
        out: [reply]
  - id: register
    class: CommandLineTool
    baseCommand: [reg-api-client, --mode, stac, -C]
    requirements:
      NetworkAccess:
        networkAccess: true
      InitialWorkDirRequirement:
        listing:
          - entry: $(inputs.data)
            entryname: data
          - entry: $(inputs.item)
            entryname: items/$(inputs.item.basename)
      EnvVarRequirement:
        envDef:
          RAPI_USERNAME: $(inputs.username)
          RAPI_PASSWORD: $(inputs.password)
          RAPI_STAGEIN_BUCKET: $(inputs.bucket)
          RAPI_ENDPOINT: $(inputs.endpoint)
          RAPI_S3_ENDPOINT: $(inputs.s3_endpoint)
    hints:
      DockerRequirement:
        dockerPull: {IMAGE}
    arguments:
      - items/$(inputs.item.basename)
    inputs:
      item: File
      data: Directory
      collection:
        type: string
        inputBinding:
          prefix: -c
      username: string
      password: string
      bucket: string
      endpoint: string
      s3_endpoint: string
    stdout: reply.json
    outputs:
      reply: stdout
"""

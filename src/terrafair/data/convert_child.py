"""The conversion as a program of its own, for the sandbox: `python -m terrafair.data.convert_child ORDER ANSWER`.

User files are opened here and nowhere else: the libraries that read them have faults of their own.
"""

import json
import os
import sys
import warnings
from pathlib import Path

NEVER = "VRT OGR_VRT GTI STACIT STACTA WMS WMTS WCS WFS HTTP PLMosaic EEDA EEDAI DERIVED GDALG OAPIF CSW NGW"
"""GDAL's drivers that open other files or addresses; to be left out before GDAL is loaded."""


def main(order: str, answer: str) -> int:
    """Convert, and write the answer whole or not at all."""
    os.environ["GDAL_SKIP"] = os.environ["OGR_SKIP"] = NEVER
    os.environ["GML_DOWNLOAD_SCHEMA"] = "NO"
    warnings.simplefilter("ignore")
    from terrafair.data.conversion import Order
    from terrafair.data.convert import convert

    asked = Order.read(json.loads(Path(order).read_text("utf-8")))
    document = convert(asked, lambda name: print(json.dumps({"message": f"Converting {name}"}), flush=True)).document()
    partial = Path(answer + ".partial")
    partial.write_text(json.dumps(document, allow_nan=False), "utf-8")
    partial.replace(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

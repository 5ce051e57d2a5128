"""Real Helm (its Go library, by `helm-sdkpy`) in a process of its own: `python helm.py lint|install CHART REQUEST`.

A process of its own, since the Go runtime keeps its threads and signals to the end.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

NAMESPACE = "eo"


def main(verb: str, chart: str, request: str) -> int:
    import helm_sdkpy

    asked = json.loads(request)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(kubeconfig(asked.get("server", "http://127.0.0.1:9")), file)
        file.flush()
        config = helm_sdkpy.Configuration(namespace=NAMESPACE, kubeconfig=file.name)
        try:
            answer = asyncio.run(run(verb, chart, asked, config))
        except helm_sdkpy.HelmError as fault:
            answer = {"error": str(fault)}
    print(json.dumps(answer))
    return 0


async def run(verb: str, chart: str, asked: Any, config: Any) -> Any:
    import helm_sdkpy

    if verb == "lint":
        return await helm_sdkpy.Lint(config).run(chart)
    if verb == "package":
        return await helm_sdkpy.Package(config).run(chart, asked["into"])
    install = helm_sdkpy.Install(config)
    return await install.run(asked.get("release", "earth"), chart, asked.get("values") or None, wait=False)


def kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
        "users": [{"name": "u", "user": {"token": Path(__file__).stem}}],
        "current-context": "c",
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))

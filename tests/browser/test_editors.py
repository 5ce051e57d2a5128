"""The editors as people use them: a graph pasted, mended, run; a CWL broken, mended, drawn; what is wrong is told."""

import io
import json
import zipfile
from typing import Any

import pytest

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
HOSTILE = "</textarea><script>window.hacked = 1</script><img src=x onerror=alert(1)>"
GRAPH = {"process_graph": {"one": {"process_id": "add", "arguments": {"x": 1, "y": 2}, "result": True}}}
TWO = {
    "process_graph": {
        "sum": {"process_id": "add", "arguments": {"x": 1, "y": 2}},
        "twice": {"process_id": "multiply", "arguments": {"x": {"from_node": "summ"}, "y": 2}, "result": True},
    }
}


SLEEP = "import time\n\ndef apply_udf_data(data):\n    time.sleep(600)\n"
ASLEEP = {"process_id": "run_udf", "arguments": {"data": [1], "udf": SLEEP, "runtime": "Python"}, "result": True}


def checked(page: Any) -> int:
    return int(page.evaluate("+(document.body.dataset.checked ?? 0)"))


def after(page: Any, before: int) -> None:
    page.locator(f"body[data-checked]:not([data-checked='{before}'])").wait_for()


def test_a_graph_is_pasted_mended_at_its_node_run_and_finishes(seen: Any) -> None:
    page = seen.page
    seen.open("/develop/graph")
    page.locator("body[data-editor]").wait_for()
    assert page.locator("body").get_attribute("data-editor") == "yes"
    page.get_by_label("The graph as JSON").fill(json.dumps(TWO, indent=1))
    # The check of the empty page may come in between.
    finding = page.locator("#findings li.error", has_text="summ").first
    finding.wait_for()
    finding.locator("a").click()
    assert page.locator("#nodes").input_value() == "twice"
    page.locator("openeo-model-builder").locator(".block", has_text="twice").first.wait_for()
    before = checked(page)
    page.locator("#arguments").get_by_label("x", exact=True).select_option("sum")
    after(page, before)
    page.locator("#findings .yes").wait_for()
    assert json.loads(page.locator("#text").input_value())["process_graph"]["twice"]["arguments"]["x"] == {
        "from_node": "sum"
    }
    seen.accessible()
    page.reload()
    page.locator("body[data-editor=yes]").wait_for()
    assert '"sum"' in page.locator("#text").input_value(), "a reload loses nothing"
    page.get_by_label("Title of the job").fill("Twice the sum")
    page.get_by_role("button", name="Run on selection").click()
    page.wait_for_url("**/results/*")
    page.locator("#job[data-ended=yes]").wait_for(timeout=200_000)
    assert page.locator(".status").first.inner_text() == "successful", page.locator("#log").inner_text()


def test_what_runs_is_cancelled(seen: Any) -> None:
    page = seen.page
    seen.open("/develop/graph")
    page.locator("body[data-editor=yes]").wait_for()
    page.get_by_label("The graph as JSON").fill(json.dumps({"process_graph": {"asleep": ASLEEP}}))
    page.get_by_role("button", name="Run on selection").click()
    page.wait_for_url("**/results/*")
    page.locator(".status", has_text="running").first.wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#job[data-ended=yes]").wait_for()
    assert page.locator(".status").first.inner_text() == "dismissed"
    seen.accessible()


def test_blocks_are_added_and_kept_as_a_process_of_ones_own(seen: Any) -> None:
    page = seen.page
    seen.open("/develop/graph")
    page.locator("body[data-editor=yes]").wait_for()
    for process, values in (("add", {"x": "3", "y": "4"}), ("multiply", {"y": "5"})):
        page.get_by_label("Process", exact=True).fill(process)
        page.get_by_role("button", name="Add", exact=True).click()
        for name, value in values.items():
            box = page.locator("#arguments").get_by_label(name, exact=True)
            box.fill(value)
            box.blur()
    found = json.loads(page.locator("#text").input_value())["process_graph"]
    assert found["add"]["arguments"] == {"x": 3, "y": 4} and found["multiply"]["arguments"] == {"y": 5}
    assert page.locator("openeo-model-builder .block").count() == 2
    page.get_by_label("The graph as JSON").fill(json.dumps(GRAPH))
    page.get_by_label("Name", exact=True).fill("my_sum")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.wait_for_url("**/develop/graph?origin=graph&id=my_sum")
    assert json.loads(page.locator("#text").input_value())["id"] == "my_sum"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{no json", "no JSON"),
        ("[1]", "no JSON object"),
        (json.dumps({"process_graph": {HOSTILE: {"process_id": HOSTILE, "arguments": {}}}}), "script"),
        ('{"process_graph": ' + "[" * 3000 + "]" * 3000 + "}", ""),
        ('"' + "x" * 5_000_000 + '"', "At most"),
    ],
)
def test_what_is_no_graph_is_told_and_nothing_of_it_runs(seen: Any, text: str, said: str) -> None:
    page = seen.page
    seen.open("/develop/graph")
    page.locator("body[data-editor]").wait_for()
    page.evaluate("text => { document.querySelector('#text').value = text }", text)
    page.get_by_role("button", name="Check", exact=True).click()
    page.wait_for_load_state("load")
    assert said in page.locator("main").inner_text()
    assert page.evaluate("window.hacked") is None
    seen.errors = [told for told in seen.errors if "400" not in told]


def test_a_fault_in_cwl_has_its_line_and_the_mended_one_its_graph(seen: Any) -> None:
    page = seen.page
    seen.open("/develop/text?origin=template&id=cwl&name=lakes")
    page.locator("body[data-editor=yes]").wait_for()
    page.locator("#drawing svg[role=img] .step").first.wait_for()
    whole = page.evaluate("ace.edit('ace').getValue()")
    broken = whole.replace("type: Directory", "type: Directry", 1)
    line = broken[: broken.index("Directry")].count("\n") + 1
    before = checked(page)
    page.evaluate("text => ace.edit('ace').setValue(text, -1)", broken)
    after(page, before)
    finding = page.locator("#findings li.error a").first
    assert finding.inner_text() == f"Line {line}"
    finding.click()
    assert page.evaluate("ace.edit('ace').getCursorPosition().row") == line - 1
    assert "type" in page.locator("#help-text").inner_text(), "the schema's words for the field at the cursor"
    before = checked(page)
    page.evaluate("text => ace.edit('ace').setValue(text, -1)", whole)
    after(page, before)
    assert page.locator("#findings li.error").count() == 0
    assert page.locator("#words li").count() >= 5 and "takes from" in page.locator("#words").inner_text()
    seen.accessible()
    page.reload()
    page.locator("body[data-editor=yes]").wait_for()
    assert page.evaluate("ace.edit('ace').getValue()") == whole


def test_script_in_a_label_of_cwl_stays_text(seen: Any) -> None:
    page = seen.page
    seen.open("/develop/text?file=workflow.cwl")
    page.locator("body[data-editor=yes]").wait_for()
    step = json.dumps({"in": {"a": f"{HOSTILE}/out"}, "run": HOSTILE, "out": ["out"]})
    text = f"cwlVersion: v1.2\nclass: Workflow\ninputs: {{}}\noutputs: {{}}\nsteps:\n  {json.dumps(HOSTILE)}: {step}\n"
    before = checked(page)
    page.evaluate("text => ace.edit('ace').setValue(text, -1)", text)
    after(page, before)
    page.locator("#drawing svg .step").wait_for()
    assert page.evaluate("window.hacked") is None and page.locator("#drawing script, #drawing img").count() == 0


def test_pages_show_their_texts_without_scripts(plain: Any) -> None:
    for path, said in (
        ("/develop/text?origin=template&id=cwl", "class: Workflow"),
        ("/develop/graph?origin=template&id=openeo", "load_stac"),
    ):
        plain.open(path)
        assert said in plain.page.locator("#text").input_value()
    plain.open("/develop/text?origin=template&id=cwl")
    assert plain.page.locator("#drawing svg").count() == 1 and "takes from" in plain.page.locator("#words").inner_text()
    plain.open("/develop/notebook?origin=template&id=notebook")
    assert plain.page.locator(".cell.parameters").count() == 1


def test_a_new_workflow_comes_as_a_zip_and_in_the_editor(seen: Any) -> None:
    page = seen.page
    seen.open("/develop/new")
    page.get_by_label("Type").select_option("notebook")
    page.get_by_label("Name").fill("lake-watch")
    page.get_by_label("Licence").select_option("Apache-2.0")
    page.get_by_label("Author").fill(HOSTILE)
    seen.accessible()
    with page.expect_download() as handed:
        page.get_by_role("button", name="Download as zip").click()
    with zipfile.ZipFile(io.BytesIO(handed.value.path().read_bytes())) as archive:
        assert archive.testzip() is None
        assert b'license = "Apache-2.0"' in archive.read("lake-watch/workflow.toml")
        assert "lake-watch/src/lake_watch/notebook.ipynb" in archive.namelist()
    page.get_by_role("button", name="Open in the editor").click()
    page.wait_for_url("**/develop/text?*")
    page.get_by_role("link", name="Read as a notebook").click()
    page.locator(".cell.parameters .kind").wait_for()
    seen.accessible()
    assert page.evaluate("window.hacked") is None
    seen.open("/develop/text")
    seen.accessible()

"""The form of a publication: its questions from the catalogue's schemas, and problems beside what they come from."""

from dataclasses import fields
from pathlib import Path

import pytest

from terrafair.catalogue.schemas import Store
from terrafair.errors import Problem
from terrafair.publishing import form
from terrafair.publishing.answers import Answers, read
from terrafair.publishing.form import GROUPS, Form, Question


@pytest.fixture(scope="module")
def real(shared: Path) -> Form:
    """Over the real catalogue and the official schemas."""
    files = {
        path.relative_to(shared / "open-science-catalog").as_posix(): path.read_bytes()
        for path in (shared / "open-science-catalog").glob("*/catalog.json")
    }
    store = Store(shared / "schemas")
    return Form(lambda: store, lambda: files)


def asked(found: Form, **said: tuple[str, ...]) -> dict[str, Question]:
    groups, _ = found.groups(said, ())
    return {question.name: question for _, questions in groups for question in questions}


def test_every_answer_is_asked_once_and_explained() -> None:
    names = [name for names in GROUPS.values() for name in names]
    assert sorted(names) == sorted(field.name for field in fields(Answers))
    assert all(question.about for question in asked(Form(Store, dict)).values())


def test_controls_come_from_the_official_schemas(real: Form) -> None:
    questions = asked(real)
    assert (questions["status"].control, [value for value, _ in questions["status"].options]) == (
        "choice",
        ["planned", "ongoing", "completed"],
    )
    assert questions["licence"].terms == "licences" and "CC-BY-4.0" in dict(real.terms("licences"))
    assert {questions[name].control for name in ("variables", "missions", "keywords", "parameters")} == {"list"}
    assert questions["themes"].control == "ticks" and ("land", "Land") in questions["themes"].options
    assert questions["contact_email"].control == "email"
    assert len(real.terms("variables")) > 1000 and ("sentinel-2", "Sentinel-2") in real.terms("eo-missions")


def test_without_schemas_the_form_is_still_whole() -> None:
    questions = asked(Form(Store, dict))
    assert questions["status"].control == "choice" and questions["licence"].control == "text"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("licence", "licence"),
        ("products/x/collection.json#/license", "licence"),
        ("products/x/collection.json#/osc:variables/3", "variables"),
        ("products/x/collection.json#/themes/0/concepts", "themes"),
        ("experiments/x/record.json#/properties/title", "experiment_title"),
        ("experiments/x/record.json#/properties/description", "experiment_description"),
        ("workflows/x/record.json#/properties/title", "workflow_title"),
        ("products/x/collection.json#/links/3", ""),
        ("", ""),
    ],
)
def test_problems_find_their_question(where: str, name: str) -> None:
    assert form.owner(Problem("It is wrong.", where=where)) == name


def test_a_problem_stands_beside_its_question_in_words_for_a_page() -> None:
    problems = (
        Problem("region is not answered.", "A region helps.", "Give it: --set region=...", "region", "answer-missing"),
        Problem("The archive asks for it.", "", "Give it: --set contract=...", "x", "prr:contract-number"),
        Problem("All is wrong.", where="products/x/collection.json#/links"),
    )
    groups, loose = Form(Store, dict).groups({}, problems)
    beside = {question.name: question.problems for _, questions in groups for question in questions}
    assert [problem.what for problem in beside["region"]] == ["A region helps."]
    assert "--set" not in str(beside["region"] + beside["contract"]) and len(beside["contract"]) == 1
    assert [problem.what for problem in loose] == ["All is wrong."]


def test_texts_become_answers_and_back() -> None:
    given = form.answers({"themes": ["land", "", "oceans, polar"], "region": [" Alps "], "doi": [""], "unknown": ["x"]})
    assert given == {"themes": ["land", "oceans", "polar"], "region": "Alps", "doi": ""}
    assert form.said(read(given).document()) == {"themes": ("land", "oceans", "polar"), "region": ("Alps",)}

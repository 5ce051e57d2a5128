"""The error tree keeps its words across process boundaries."""

import pickle

from terrafair.errors import InvalidInputs, NotExecutable, NotFound, Problem


def test_an_error_says_what_why_and_the_way_out() -> None:
    error = NotFound("No experiment has the id 'x'.", "The catalogue has 9.", "Nearest: 'y'.", where="id")
    assert str(error) == "id: No experiment has the id 'x'. The catalogue has 9. Nearest: 'y'."
    assert error.problem.document() == {
        "what": "No experiment has the id 'x'.",
        "why": "The catalogue has 9.",
        "remedy": "Nearest: 'y'.",
        "where": "id",
        "code": "not-found",
    }


def test_errors_survive_pickling() -> None:
    one = pickle.loads(pickle.dumps(NotFound("a", "b", "c", "d", "e")))
    assert one.problem == Problem("a", "b", "c", "d", "e")
    several = pickle.loads(pickle.dumps(NotExecutable([Problem("a"), Problem("b")], "Two reasons.")))
    assert isinstance(several, InvalidInputs)
    assert [problem.what for problem in several.problems] == ["a", "b"]
    assert str(several) == "Two reasons."

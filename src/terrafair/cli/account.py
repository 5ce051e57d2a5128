"""Verbs about oneself: `login`, `logout`, `projects`, `usage`, `estimate`."""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from terrafair import credentials
from terrafair.cli.connection import connect
from terrafair.cli.terminal import json_option, print_json, table
from terrafair.config import load
from terrafair.errors import Conflict, InvalidInput, Refused, TimedOut, Unreachable

if TYPE_CHECKING:
    import httpx2

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_DAYS = 30
SCOPES = ("read", "run", "publish", "manage")


@click.command("login")
@click.option("--provider", default="", help="Which identity provider, where the platform has several.")
@click.option("--token", "given", default="", help="Keep this personal token (made on the page /account) instead.")
def login(provider: str, given: str) -> None:
    """Sign in: open the address that is shown in any browser, and confirm the code there.

    The command line then keeps a personal token of this platform for 30 days; /account lists and revokes it.

    \b
    Examples:
      terrafair login
      terrafair login --token tfp_...
    """
    with connect(load()) as client:
        if not given:
            chosen = _choose(client.providers(), provider)
            access = _device_flow(chosen)
            client.sign_in(f"oidc/{chosen['id']}/{access}")
            given = client.make_token(f"terrafair login on {socket.gethostname()}", SCOPES, TOKEN_DAYS, login=True)
        client.sign_in(given)
        me = client.me()
        credentials.keep(client.url, given)
    click.echo(f"Signed in as {me['name']}.")


@click.command("logout")
def logout() -> None:
    """End the token of this platform, and forget it."""
    with connect(load()) as client:
        # One that has ended already is refused.
        with suppress(Refused):
            client.end_token()
        credentials.keep(client.url, "")
    click.echo("Signed out.")


@click.command("projects")
@json_option
def projects(*, as_json: bool) -> None:
    """List your projects with your role in each."""
    with connect(load()) as client:
        rows, roles = client.projects(), client.me()["projects"]
    if as_json:
        print_json([{**row, "role": roles.get(row["id"], "")} for row in rows])
        return
    table(("ID", "ROLE", "TITLE"), [(row["id"], roles.get(row["id"], ""), row["title"]) for row in rows])


@click.command("usage")
@click.option("--month", default="", metavar="YYYY-MM", help="Only this month.")
@json_option
def usage(month: str, *, as_json: bool) -> None:
    """Show what your projects have spent, per allocation and month; --json gives the signed report."""
    with connect(load()) as client:
        report = client.usage(month)
    if as_json:
        print_json(report)
        return
    rows = [
        (row["month"], row["project"], row["nor_reference"] or row["allocation"], row["resource"], row["kind"],
         _credits(row["spent"]))
        for row in report["usage"]
    ]  # fmt: skip
    table(("MONTH", "PROJECT", "ALLOCATION", "RESOURCE", "KIND", "CREDITS"), rows)
    click.echo(f"{_credits(report['total'])} credits in all.")


@click.command("estimate")
@click.argument("id")
@click.option("--project", default="", help="The project that would pay; default: your own.")
@json_option
def estimate(id: str, project: str, *, as_json: bool) -> None:  # noqa: A002 - the field's word
    """Tell what running ID may cost at the most, without running it."""
    with connect(load()) as client:
        found = client.estimate(id, project)
    if as_json:
        print_json(found)
        return
    basis = f"from {found['runs']} earlier runs" if found["runs"] else "from the platform's limits: it has not run yet"
    click.echo(f"At most {_credits(found['cost'])} credits ({basis}).")
    if found["metered"]:
        click.echo(f"{_credits(found['free'])} credits are free in {found['project']}.")
    else:
        click.echo("Nothing is charged: the project has no allocation.")


def _choose(known: list[dict[str, Any]], name: str) -> dict[str, Any]:
    offered = ", ".join(each["id"] for each in known) or "none"
    fitting = [each for each in known if each["id"] == name or not name]
    if len(fitting) != 1:
        what = "The platform has several identity providers." if fitting else f"There is no provider {name!r}."
        if not known:
            raise Conflict("This platform has no identity provider.", remedy="Use --token, or nothing: see /account.")
        raise InvalidInput(what, f"Known: {offered}.", "Name one: --provider ID.")
    return fitting[0]


def _device_flow(provider: Mapping[str, Any]) -> str:
    """An access token for this person (RFC 8628)."""
    import httpx2

    with httpx2.Client(timeout=30, trust_env=False, follow_redirects=True) as web:
        about = _answer(provider, web, "GET", f"{provider['issuer']}/.well-known/openid-configuration")
        endpoint = about.get("device_authorization_endpoint")
        if not endpoint or "token_endpoint" not in about:
            raise Conflict(f"{provider['title']} offers no sign-in by device.", remedy="Use `terrafair login --token`.")
        form = {"client_id": provider["client"], "scope": "openid profile email"}
        begun = _answer(provider, web, "POST", endpoint, form)
        if not {"device_code", "user_code", "verification_uri"} <= begun.keys():
            raise Refused(f"{provider['title']} refuses: {begun.get('error_description') or begun.get('error')}.")
        click.echo(f"Open {begun.get('verification_uri_complete') or begun['verification_uri']}")
        click.echo(f"and confirm the code {click.style(begun['user_code'], bold=True)}.")
        pause, end = float(begun.get("interval", 5)), time.monotonic() + float(begun.get("expires_in", 600))
        asked = {"grant_type": DEVICE, "device_code": begun["device_code"], "client_id": provider["client"]}
        while time.monotonic() < end:
            time.sleep(pause)
            answer = _answer(provider, web, "POST", str(about["token_endpoint"]), asked)
            if "access_token" in answer:
                return str(answer["access_token"])
            if answer.get("error") == "slow_down":
                pause += 5
            elif answer.get("error") != "authorization_pending":
                raise Refused(f"{provider['title']} refuses: {answer.get('error_description') or answer.get('error')}.")
    raise TimedOut("Nobody confirmed the code in time.", remedy="Call `terrafair login` again.")


def _answer(
    provider: Mapping[str, Any], web: "httpx2.Client", method: str, url: str, form: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the provider says, also where it refuses; raises `Unreachable`."""
    import httpx2

    later = "Try again in a minute, or use `terrafair login --token` with a token made on the page /account."
    try:
        reply = web.request(method, url, data=form)
        found = reply.json()
    except (httpx2.RequestError, httpx2.InvalidURL) as fault:
        raise Unreachable(f"{provider['title']} does not answer at {url}.", str(fault), later) from fault
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable(
            f"{provider['title']} answers {reply.status_code} at {url}, and not as a provider.", "", later
        )
    return found


def _credits(amount: int) -> str:
    """Milli-credits as people read them."""
    return f"{amount / 1000:.3f}".rstrip("0").rstrip(".")


VERBS = (login, logout, projects, usage, estimate)

"""The command line: `find`, `run`, `reproduce` ... talk to a running platform; the rest works on this machine.

Exit codes: 0 done; 1 done, and there is a problem to see to (a failed job, a broken document, a result that differs);
2 could not be done (wrong usage, unknown id, no platform).
"""

import os
import sys
from importlib import import_module

import click

from terrafair import __version__
from terrafair.cli.terminal import Ended, report
from terrafair.errors import Refused, TerrafairError

EPILOG = """\b
First minute:
  terrafair serve                       start the platform with its demo
  terrafair find ndvi                   look for it
  terrafair run demo-ndvi               run the published experiment again
  terrafair reproduce demo-ndvi         ... and compare with what was published
  terrafair publish JOB                 publish its result, as a pull request
Shell completion: eval "$(_TERRAFAIR_COMPLETE=bash_source terrafair)"   (zsh_source, fish_source)"""


VERBS = {
    "catalogue": ("catalogue", "find", "experiments", "explain"),
    "account": ("login", "logout", "projects", "usage", "estimate"),
    "buckets": ("s3",),
    "items": ("items",),
    "validate": ("validate",),
    "schemas": ("schemas",),
    "jobs": ("run", "reproduce", "jobs", "job", "log", "cancel", "results"),
    "processes": ("processes", "deploy", "undeploy", "capabilities", "targets"),
    "publish": ("publish", "publications"),
    "data": ("convert", "describe"),
    "fetch": ("data",),
    "develop": ("new", "check", "build", "release", "releases"),
    "platform": ("serve", "worker", "web-worker", "doctor"),
    "backup": ("backup",),
    "migrate": ("migrate",),
    "operate": ("scrub", "read-only"),
}
"""Module of this folder -> its verbs."""


class Verbs(click.Group):
    """Loads the module of the verb that is asked for, and no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs."""
        return sorted(verb for verbs in VERBS.values() for verb in verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The verb of that name; None: there is none."""
        module = next((module for module, verbs in VERBS.items() if cmd_name in verbs), None)
        if module is None:
            return None
        found: tuple[click.Command, ...] = import_module(f"terrafair.cli.{module}").VERBS
        return next(verb for verb in found if verb.name == cmd_name)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG
)
@click.version_option(__version__, prog_name="terrafair")
def main() -> None:
    """Find, run, reproduce and publish open Earth science."""


def run() -> None:
    """The console script: every known error becomes one clear message and exit code 2."""
    try:
        main.main(standalone_mode=False)
    except Ended as done:
        done.leave()
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as fault:
        fault.show()
        sys.exit(2)
    except TerrafairError as error:
        report(error, as_json="--json" in sys.argv[1:])
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our pipe has gone (`| head`): not a fault of ours.
        sys.stderr.close()
        sys.exit(0)
    except OSError as fault:
        if fault.filename is None:
            raise
        what = f"{os.fsdecode(fault.filename)}: {fault.strerror}."
        report(Refused(what, remedy="Mend its rights, or name another place."), as_json="--json" in sys.argv[1:])
        sys.exit(2)

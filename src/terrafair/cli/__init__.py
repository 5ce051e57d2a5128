"""The command line: `find`, `run`, `reproduce` ... talk to a running platform; the rest works on this machine.

Exit codes: 0 done; 1 done, and there is a problem to see to (a failed job, a broken document, a result that differs);
2 could not be done (wrong usage, unknown id, no platform).
"""

import sys

import click

from terrafair import __version__
from terrafair.cli import account, backup, catalogue, data, items, jobs, platform, processes, publish, schemas, validate
from terrafair.cli.terminal import report
from terrafair.errors import TerrafairError

EPILOG = """\b
First minute:
  terrafair serve                       start the platform with its demo
  terrafair find ndvi                   look for it
  terrafair run demo-ndvi               run the published experiment again
  terrafair reproduce demo-ndvi         ... and compare with what was published
  terrafair publish JOB                 publish its result, as a pull request
Shell completion: eval "$(_TERRAFAIR_COMPLETE=bash_source terrafair)"   (zsh_source, fish_source)"""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(__version__, prog_name="terrafair")
def main() -> None:
    """Find, run, reproduce and publish open Earth science."""


for verb in (
    *catalogue.VERBS,
    *account.VERBS,
    *items.VERBS,
    *validate.VERBS,
    *schemas.VERBS,
    *jobs.VERBS,
    *processes.VERBS,
    *publish.VERBS,
    *data.VERBS,
    *platform.VERBS,
    *backup.VERBS,
):
    main.add_command(verb)


def run() -> None:
    """The console script: every known error becomes one clear message and exit code 2."""
    try:
        main.main(standalone_mode=False)
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

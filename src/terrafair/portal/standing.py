"""The project that somebody works in, for the header of every page."""

from dataclasses import dataclass

from terrafair.identity.access import Role
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import asker
from terrafair.identity.credits import shown
from terrafair.identity.projects import Projects
from terrafair.portal.page import Standing


@dataclass(frozen=True, slots=True)
class Standings:
    """Looks it up for whoever asks."""

    projects: Projects
    allocations: Allocations

    def __call__(self) -> Standing | None:
        """None: they have not signed in."""
        who = asker()
        if who.profile is None:
            return None
        titles = {project.id: project.title for project in self.projects.listing(who.actor)}
        working = [id for id, role in who.actor.roles.items() if role is not Role.VIEWER and id in titles]  # noqa: A001
        project = who.project if who.project in titles else who.actor.person
        left = shown(self.allocations.free(project)) if self.allocations.metered(project) else ""
        others = tuple(sorted(((id, titles[id]) for id in working), key=lambda pair: pair[1].casefold()))  # noqa: A001
        return Standing(project, titles.get(project, project), left, others)

"""Signs people in at the hub by what the platform's proxy says of them: they have a session there already."""

from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.handlers import BaseHandler
from jupyterhub.utils import url_path_join
from tornado.web import HTTPError
from traitlets import Unicode

from terrafair.workspaces.proof import HEADER, proven


class PlatformAuthenticator(Authenticator):
    """Implements JupyterHub's port for authenticators."""

    secret = Unicode(config=True, help="Shared with the platform.")
    auto_login = True

    def login_url(self, base_url: str) -> str:
        """Where the hub sends who is not signed in."""
        return str(url_path_join(base_url, "platform-login"))

    def get_handlers(self, _: Any) -> list[tuple[str, type]]:
        """One route; there is no form."""
        return [("/platform-login", PlatformLogin)]

    async def authenticate(self, handler: Any, _: Any = None) -> str | None:
        """The person of a request."""
        return proven(self.secret, handler.request.headers.get(HEADER, "")) or None

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """Whether the hub's own cookie still stands for who sits at the browser."""
        if handler is None or HEADER not in handler.request.headers:
            return True
        return proven(self.secret, handler.request.headers[HEADER]) == str(user.name)


class PlatformLogin(BaseHandler):
    """Takes a person in and leads on to where they wanted to go."""

    async def get(self) -> None:
        """No page is shown."""
        user = await self.login_user()
        if user is None:
            raise HTTPError(403, "The platform does not say who you are.")
        self._jupyterhub_user = user
        self.redirect(self.get_next_url(user))

"""What of this platform has a place and a time: items, features, and how products and results come among them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.items.products import mirror, owner_of
from terrafair.catalogue.items.search import ItemStore
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.data.objects import ObjectStore
from terrafair.execution.job import Job, Results
from terrafair.execution.layers import Layers
from terrafair.execution.layers_relay import Collector, Sender
from terrafair.execution.sandbox import Sandbox
from terrafair.execution.shelf import Shelf
from terrafair.execution.task import JobFolder
from terrafair.identity.access import Visibility


@dataclass
class Shelves:
    """Stores that the server, the workers and the command line share; each is opened when it is first needed."""

    home: Path
    database: str
    """PostgreSQL URL of the items; empty: SQLite."""
    catalogue: Catalogue
    objects: ObjectStore
    sandbox: Sandbox
    elsewhere: bool = False
    """Whether the platform, whose store of features is the one, runs on another host."""

    @cached_property
    def items(self) -> ItemStore:
        """STAC collections and items."""
        if self.database:
            from terrafair.catalogue.items.pgstac.store import PgstacItems

            return PgstacItems(self.database)
        return SqliteItems(self.home / "catalogue/items.db")

    @cached_property
    def features(self) -> SqliteItems:
        """Vector results and footprints."""
        return SqliteItems(self.home / "catalogue/features.db")

    def put(self, job: Job, results: Results, folder: JobFolder) -> None:
        """Show what a job made, where everybody may see it: the shelves know no people."""
        if job.owner.project and job.owner.visibility is not Visibility.PUBLIC:
            return
        layers = Sender(self.objects, self.sandbox) if self.elsewhere else Layers(self.features, self.sandbox)
        Shelf(self.objects, self.items, layers).put(job, results)
        layers.put(job, results, folder.outputs, folder.path / "layers")

    def collector(self, job: Callable[[str], Job]) -> Collector:
        """Takes the layers of jobs that ran on other hosts."""
        return Collector(self.objects, Layers(self.features, self.sandbox), job)

    def mirror_products(self) -> tuple[int, tuple[str, ...]]:
        """Show the catalogue's products as collections; does nothing where that is done."""
        return mirror(self.catalogue, self.items, self.home / "catalogue/items-products.json")

    def owner(self, collection: str) -> str:
        """Whose a collection is that nobody edits by hand; empty for one that may be edited."""
        return owner_of(self.items.collection(collection))

    def close(self) -> None:
        """Close what was opened."""
        for name in ("items", "features"):
            if (store := self.__dict__.pop(name, None)) is not None:
                store.close()

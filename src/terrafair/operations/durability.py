"""Whether what is kept stays so, as metrics: stored results, room, and whether changes are taken."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from terrafair.operations.intake import ReadOnly, Room
from terrafair.operations.scrub import KINDS, Scrub, seconds


@dataclass(frozen=True, slots=True)
class Durability:
    """Asked by prometheus_client at each scrape."""

    read_only: ReadOnly
    room: Room
    scrub: Scrub

    def collect(self) -> Iterator[Any]:
        """Metric families."""
        from prometheus_client.core import GaugeMetricFamily as Gauge

        yield Gauge("terrafair_read_only", "1 while changes are refused.", float(self.read_only.state()["on"]))
        free, floor = self.room.bytes()
        yield Gauge("terrafair_disk_floor_bytes", "Jobs and uploads are refused with less on the disk.", floor)
        yield Gauge("terrafair_intake_closed", "1 while jobs and uploads are refused for want of room.", free < floor)
        look = self.scrub.last()
        began = seconds(look.started) if look else 0.0
        yield Gauge("terrafair_scrub_started_seconds", "When the last look at stored results began; 0: never.", began)
        count = float(look.objects) if look else 0.0
        yield Gauge("terrafair_scrub_objects", "Objects that the last look has read so far.", count)
        damaged = Gauge("terrafair_damaged_objects", "Stored objects that are not as they were.", labels=["kind"])
        found = Counter(each.kind for each in self.scrub.damages())
        for kind in KINDS:
            damaged.add_metric([kind], found[kind])
        yield damaged

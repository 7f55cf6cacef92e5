"""A meter that keeps what it was told, checked against the table of metrics."""

from collections import defaultdict

from deployments.observing.metrics import Meter


class RecordingMeter(Meter):
    def __init__(self):
        super().__init__()
        self.values = defaultdict(list)

    def _write(self, name, value, tags):
        self.values[name, *tags.values()].append(value)

    def of(self, name):
        return {key[1:]: sum(values) for key, values in self.values.items() if key[0] == name}

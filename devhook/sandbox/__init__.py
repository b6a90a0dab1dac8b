"""The platform on loopback, for tests, demos and `devhook sandbox`."""

from devhook.sandbox.catalogue import Moment as Moment
from devhook.sandbox.customer import Customer as Customer
from devhook.sandbox.sandbox import Sandbox as Sandbox
from devhook.sandbox.timing import Timing as Timing

"""The bundled demo site: a small world of lighthouses on loopback addresses, to try a crawler on and to test it with."""

from crawler.demo.nouns import Seen, Truth
from crawler.demo.site import HOSTS, DemoSite

__all__ = ["HOSTS", "DemoSite", "Seen", "Truth"]

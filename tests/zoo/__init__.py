"""The hostile zoo: one server with many ways to be a bad host, each on an address of its own, and a judge from outside."""

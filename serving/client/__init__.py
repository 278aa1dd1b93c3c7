"""A client of TF Serving, over REST and gRPC."""

from serving.client.client import Client

__all__ = ["Client"]

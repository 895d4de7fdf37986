"""A real S3 server on loopback for the tests, moto, which can be made to fail and records its requests."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

SECRETS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class S3Server:
    """An S3 server on loopback, in a thread.

    Attributes:
        sent: the size of each answer to a GET of an object's bytes.
        asked: method and path of every request.
        slow_puts: PUTs of names that contain this take two seconds; none if it is empty.
        refuse_puts: PUTs of names that contain this fail; none if it is empty.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        class Quiet(MotoRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *args: object) -> None:
                pass

        self.sent: list[int] = []
        self.asked: list[tuple[str, str]] = []
        self.slow_puts, self.refuse_puts = "", ""
        self._failures, self._how, self._buckets = 0, "", 0
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.environment = SECRETS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def make_bucket(self) -> str:
        """Make an empty bucket; return its URL."""
        import boto3  # type: ignore[import-untyped, unused-ignore]

        self._buckets += 1
        name = f"bucket-{self._buckets}"
        boto3.client("s3").create_bucket(Bucket=name)
        return f"s3://{name}"

    def fail(self, times: int, how: str) -> None:
        """Fail the next requests: with a status, a lost connection (``reset``), or half an answer (``cut``)."""
        self._failures, self._how = times, how

    @contextlib.contextmanager
    def in_environment(self) -> Iterator[S3Server]:
        """Set the environment variables of this server, and restore them at the end."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield self
        finally:
            self.fail(0, "")
            os.environ.clear()
            os.environ.update(before)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked.append((method, path))
        if method == "PUT" and self.slow_puts and self.slow_puts in path:
            time.sleep(2)
        if method == "PUT" and self.refuse_puts and self.refuse_puts in path:
            start_response("500 Failing", [("Content-Length", "0")])
            return []
        how, is_object = self._how, method == "GET" and path.count("/") > 1
        if self._failures > 0 and (how != "cut" or is_object):
            self._failures -= 1
            if how == "reset":
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return []
            if how != "cut":
                start_response(f"{how} Failing", [("Content-Length", "0")])
                return []
            body = b"".join(self._moto(environ, start_response))
            return _half(body)
        body = b"".join(self._moto(environ, start_response))
        if is_object:
            self.sent.append(len(body))
        return [body]


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError

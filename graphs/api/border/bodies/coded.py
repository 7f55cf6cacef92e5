"""Request bodies that come compressed: decoded piece by piece, never further than is allowed."""

import zlib

from graphs.api.errors import BodyCodedError

CODINGS = ("gzip", "deflate")
_MAX_MEMBERS = 1000  # each costs a copy of what is left
_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class BodyDecoder:
    """Decodes one body of `Content-Encoding: gzip` or `deflate`.

    What is named deflate has a frame of zlib around it (RFC 9110, 8.4.1.2), but some clients leave
    that out. A gzip body may have several members, one after the other (RFC 1952, 2.2).
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._decoder = zlib.decompressobj(_GZIP)
        self._is_begun = coding == "gzip"
        self._num_members = 1

    def decode(self, data: bytes, most: int, *, is_last: bool) -> bytes:
        """Gives what the next bytes hold, cut when it is more than `most` bytes.

        Raises:
            BodyCodedError: the bytes are not of the coding, or the body ends too early.
        """
        decoded = b""
        try:
            while data and len(decoded) <= most:
                decoded += self._begun(data).decompress(data, most + 1 - len(decoded))
                data = self._decoder.unconsumed_tail
                if self._decoder.eof and self._decoder.unused_data:
                    data = self._decoder.unused_data
                    self._decoder = zlib.decompressobj(_GZIP)
                    self._num_members += 1
                    if self._num_members > _MAX_MEMBERS:
                        raise coded(f"A gzip body may have {_MAX_MEMBERS} members, got more")
        except zlib.error as err:
            raise self._broken() from err
        if is_last and len(decoded) <= most and not self._decoder.eof:
            raise self._broken()
        return decoded

    def _begun(self, data: bytes) -> "zlib._Decompress":
        if not self._is_begun:
            is_framed = data[0] & 0x0F == zlib.DEFLATED and data[0] >> 4 < 8
            self._decoder = zlib.decompressobj(_ZLIB if is_framed else _BARE)
            self._is_begun = True
        return self._decoder

    def _broken(self) -> BodyCodedError:
        return coded(f"The body is not whole and valid {self._coding}")


def coded(reason: str) -> BodyCodedError:
    """Makes the refusal of a body for its coding; it says what is read."""
    accepted = ", ".join((*CODINGS, "identity"))
    return BodyCodedError(415, reason, {"accept-encoding": accepted, "connection": "close"})

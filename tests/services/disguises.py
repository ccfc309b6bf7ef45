"""The ways in which an address of this machine has been dressed up to get past a guard."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Disguise:
    """A URL, with the place of a port in it, and what its host is resolved to, if not really."""

    url: str
    resolved: tuple[str, ...] = field(default=())


_SPELT = (
    *("127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.127.127.127", "127.000.000.001"),
    *("0x7f000001", "0x7f.1", "0X7F.0x0.0x0.0x1", "2130706433", "017700000001", "0177.0.0.1"),
    *("00000000177.0.0.1", "0", "0.0.0.0", "0x0", "localhost", "localhost.", "LocalHost"),
    *("①②⑦.0.0.1", "127。0。0。1", "１２７.0.0.1", "ⓛocalhost", "ℓocalhost"),  # noqa: RUF001
    *("127%2e0%2e0%2e1", "%31%32%37.0.0.1", "user:password@127.0.0.1", "example.org@127.0.0.1"),
    *("example.org:80@127.0.0.1", "example.org\\@127.0.0.1", "127.0.0.1\\@example.org"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "[2001:0:0:0:0:0:80ff:fffe]", "[2001:470::5efe:7f00:1]", "[::1%25lo]"),
)
_WHOLE = (
    *("https://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}/", "http://127.0.0.1:0{port}/"),
    *("http://127.0.0.1:{port}#@example.org/", "http://127.0.0.1:{port}?@example.org/"),
    *("http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/"),
    *("\thttp://127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/", "http://127.0.0.1:{port}\n/"),
    *("//127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/"),
    *("gopher://127.0.0.1:{port}/_FLUSHALL", "dict://127.0.0.1:{port}/", "file:///etc/passwd"),
)
_RESOLVED = (
    *(("127.0.0.1",), ("::1",), ("93.184.216.34", "127.0.0.1"), ("::ffff:127.0.0.1",)),
    *(("64:ff9b::7f00:1",), ("2002:7f00:1::",), ("0.0.0.0",), ("169.254.169.254",)),
    *(("224.0.0.1",), ("::1%lo",), ("::ffff:0:7f00:1",)),
)

DISGUISES = (
    *(Disguise(f"http://{spelt}:{{port}}/") for spelt in _SPELT),
    *(Disguise(url) for url in _WHOLE),
    *(Disguise("http://example.org:{port}/", addresses) for addresses in _RESOLVED),
)

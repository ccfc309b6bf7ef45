from ipaddress import ip_address

import pytest

from app.services.web_guard import AddressRefused, WebGuard, is_public

LOOPBACK = (
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://user:password@127.0.0.1/",
    "http://example.org@127.0.0.1/",
    "http://127.0.0.1:6379/",
    "https://127.0.0.1/",
    "HTTP://127.0.0.1/",
    "http://127.0.0.1#example.org",
    "http://127.0.0.1?example.org",
)
NEAR = (
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.170",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2001:0:53aa:64c:0:0:80ff:fffe",
    "100::1",
    "2001:db8::1",
    "::ffff:0:7f00:1",
    "2001:470::5efe:7f00:1",
    "2001:470::200:5efe:7f00:1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "64:ff9b:2::1",
    "100:0:0:1::1",
    "192.88.99.1",
    "100.100.100.200",
    "168.63.129.16",
)
OTHER = (
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://example.org/",
    "dict://127.0.0.1/",
    "unix:///run/redis.sock",
    "data:text/calendar,x",
    "//127.0.0.1/",
    "/etc/passwd",
    "",
    "http://",
    "http:///x",
    "http://[::1/",
    "http://exa mple.org\r\nHost: x/",
    "http://127.0.0.1:99999/",
)


@pytest.mark.case(55)
@pytest.mark.parametrize("url", LOOPBACK)
async def test_no_spelling_of_this_machine_is_let_through(url: str) -> None:
    with pytest.raises((AddressRefused, OSError)):
        await WebGuard().check(url)


@pytest.mark.case(55)
@pytest.mark.parametrize("address", NEAR)
async def test_a_name_may_not_lead_home(address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", address]

    with pytest.raises(AddressRefused, match="not a public address"):
        await WebGuard(resolve=resolve).check("http://calendar.example.org/")


@pytest.mark.case(55)
@pytest.mark.parametrize("url", OTHER)
async def test_only_the_web_is_reached(url: str) -> None:
    with pytest.raises(AddressRefused):
        await WebGuard().check(url)


async def test_a_public_host_is_pinned_to_its_addresses() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["2606:2800:220:1::1", "93.184.216.34"]

    target = await WebGuard(resolve=resolve).check("https://ann:secret@example.org:8443/a?b#c")

    assert [str(url) for url in target.pinned] == [
        "https://[2606:2800:220:1::1]:8443/a?b",
        "https://93.184.216.34:8443/a?b",
    ]


async def test_a_configured_host_may_be_at_home_at_its_port_only() -> None:
    guard = WebGuard(trusted=["http://127.0.0.1:5232/ann.ics"])

    assert (await guard.check("http://127.0.0.1:5232/other.ics")).addresses

    with pytest.raises(AddressRefused):
        await guard.check("http://127.0.0.1:6379/")


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "224.0.0.1", "0.0.0.0", "fd00:ec2::254"),
        *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1", "168.63.129.16"),
    ],
)
async def test_even_a_configured_host_is_no_metadata_service(address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return [address]

    with pytest.raises(AddressRefused):
        await WebGuard(trusted=["http://nas/"], resolve=resolve).check("http://nas/")


async def test_a_host_without_an_address_can_not_be_reached() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return []

    with pytest.raises(ConnectionError, match="no address"):
        await WebGuard(resolve=resolve).check("http://example.org/")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))

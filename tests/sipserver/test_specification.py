import re
from pathlib import Path
from typing import Any

import pytest

from apps.sipserver.sockets import open_udp_socket
from tests.sipserver.rig import Client, serving

SPECIFICATION = Path(__file__).parents[2] / "docs" / "asgi-sip.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", SPECIFICATION.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["plain", "consumer"])
async def test_the_examples_of_the_specification_answer_and_stop(example: str) -> None:
    names: dict[str, Any] = {}
    exec(example, names)
    with open_udp_socket("127.0.0.1", 0) as sock:
        client = Client(sock.getsockname())
        async with serving(names["application"], sock) as server:
            client.say(b"you")
            assert await client.hear() == b"heard you"
        client.close()
    assert server.stopped_cleanly
    assert server.counters.restarts == 0

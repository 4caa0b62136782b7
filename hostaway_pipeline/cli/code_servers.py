"""The code servers of `hostaway up`: one per code location, which Dagster's webserver and daemon share.

Started by themselves, as workspace.yaml has it, the webserver and the daemon would each load both locations.
"""

from pathlib import Path

import orjson

from hostaway_pipeline.cli.stack import Stack, script

LOCATIONS = {"hostaway": "hostaway_pipeline.definitions", "marts": "hostaway_pipeline.marts.definitions"}


def start_code_servers(stack: Stack, folder: Path, sockets: Path, *, seconds: float) -> None:
    """Start the servers, write their addresses into `folder`/workspace.yaml, and wait until they answer.

    `sockets`: a folder with a short path, closed to other users: whoever reaches a code server may run code. A location
    that cannot be loaded does not end its server, which shows the error in Dagster's UI.
    """
    places = {location: sockets / location for location in LOCATIONS}
    for location, module in LOCATIONS.items():
        options = ["--socket", str(places[location]), "--location-name", location, "--lazy-load-user-code"]
        command = [script("dagster"), "api", "grpc", "--module-name", module, *options]
        stack.start(f"code-{location}", [*command, "--use-python-environment-entry-point"], folder=folder)
    servers = [
        {"grpc_server": {"host": "localhost", "socket": str(place), "location_name": location}}
        for location, place in places.items()
    ]
    (folder / "workspace.yaml").write_bytes(orjson.dumps({"load_from": servers}))  # JSON is YAML
    for place in places.values():
        stack.wait_for_socket(place, seconds=seconds)

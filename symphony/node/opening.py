"""The composition root: opens a node's parts in order, runs them in one nursery, closes them.

    lock → key → ledger → engines → core → network → loop → gateway → "ready"

The first four are `starting`'s, which runs while this module is imported.
Closing goes the other way round: first no new tasks (gateway), then the peers see us go
(network), then the engines end their servers, then the store closes. Whatever was appended is
on disk by then; a kill −9 at any point loses nothing that was ever said.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import structlog
import trio

from ledger import PrivateKey, did_key, parse_peer_id, peer_id, verify
from symphony.core.effects import Embed
from symphony.core.ids import NodeId, SwarmId
from symphony.core.inputs import (
    AgentsChanged,
    Embedded,
    OwnLogMark,
    Revoke,
    Started,
    TaskFound,
    WallClock,
)
from symphony.core.peers.admission import Membership
from symphony.core.swarm import Swarm
from symphony.core.tasks.notes import TaskBegun
from symphony.engines.base import Description
from symphony.engines.embedding import LateEncoder
from symphony.errors import ConfigError, EngineError, ProtocolMismatch, SymphonyError
from symphony.errors import ConnectionError as Unreachable
from symphony.gateway.discovery import advertised
from symphony.gateway.serve import GatewaySettings, Serving, serve_gateway
from symphony.identity import SwarmFile, successor_commitment
from symphony.invites import revoked
from symphony.net import NetSettings, Preset, open_network, topics
from symphony.net.address_book import AddressBook
from symphony.node import garbage, limits
from symphony.node.air import NetworkAir
from symphony.node.awaited import Awaited, ask_again
from symphony.node.boxes import BoxKey
from symphony.node.desk import Desk
from symphony.node.disk import Disk
from symphony.node.high_water import HighWater
from symphony.node.hosting import Household
from symphony.node.hub import Hub
from symphony.node.loop import Loop
from symphony.node.notebook import Notebook
from symphony.node.prober import probe_others
from symphony.node.restoring import restore
from symphony.node.self_test import measure_when_idle
from symphony.node.starting import Beginnings
from symphony.node.workshop import Workshop
from symphony.settings import NodeSettings
from symphony.version import __version__

_log = structlog.get_logger("symphony.node")

ADDRESS_BOOK = "address_book.json"
PORTS = "ports.json"


@dataclass(frozen=True, slots=True)
class Ready:
    """A node that serves: what its one ready line says."""

    node: str
    short: str
    peer_id: str
    swarm: str
    swarm_name: str
    addresses: tuple[str, ...]
    peers: int
    agents: tuple[str, ...]
    not_hosted: dict[str, str]
    gateway: str | None
    warnings: tuple[str, ...]


def monotonic_ms() -> int:
    """The core's clock. `time.monotonic`, so that it also moves between two of trio's ticks."""
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def open_node(
    settings: NodeSettings,
    begun: Beginnings,
    stack: AsyncExitStack,
    on_ready: Callable[[Ready], None],
    *,
    insist: bool,
) -> None:
    """From what `starting` has begun to a node that serves, until cancelled."""
    key, swarm_file, store = begun.key, begun.swarm_file, begun.store
    receipts = settings.home / "receipts"
    receipts.mkdir(mode=0o700, exist_ok=True)
    hub = Hub()
    swarm = Swarm(
        key,
        verify,
        SwarmId(swarm_file.swarm_id),
        random.SystemRandom(),
        store.heads(),
        store.forks(),
        NodeId(swarm_file.genesis.founder),
        swarm_file.genesis.anchors,
        successor_commitment(settings.home),
    )
    high_water = HighWater(settings.home)
    stack.callback(high_water.close)
    notebook = stack.enter_context(closing(Notebook(settings.home)))
    box = BoxKey(key.seed)
    disk = Disk(swarm.me, store, high_water, notebook)
    loop = Loop(swarm, disk, hub, monotonic_ms, receipts, box)
    encoder, household = begun.encoder, begun.household
    restored = restore(swarm, store, monotonic_ms, wall_ms, _tasks(notebook, hub))
    _log.debug("restored", agents=len(swarm.directory), effects=len(restored))
    gone = swarm.revoked | revoked(settings.home)
    membership = _membership(swarm_file, gone, household)
    network = await stack.enter_async_context(
        open_network(
            _net_settings(settings, swarm_file),
            seed=key.seed,
            membership=membership,
            topics=tuple(topics(swarm_file.swarm_id)),
            agent_version=f"symphony/{__version__}",
        )
    )
    async with trio.open_nursery() as nursery:
        air = loop.air = NetworkAir(network, topics(swarm_file.swarm_id), store, loop, nursery)
        loop.workshop = Workshop(nursery, loop.feed, monotonic_ms)
        loop.workshop.host(household.agents)
        loop.embed = _embedder(encoder, loop, nursery)
        desk = Desk(loop, store, hub, loop.workshop, key, swarm_file.genesis, settings.home)
        desk.addresses = network.addresses
        desk.net_peers = network.peers
        nursery.start_soon(loop.run)
        nursery.start_soon(disk.sync_mark)
        nursery.start_soon(air.run_gossip)
        nursery.start_soon(air.listen)
        nursery.start_soon(air.forget_rejects)
        founder = swarm_file.genesis.founder == key.public
        _habits(nursery, loop, settings, household, founder=founder)
        known = known_peers(settings, swarm_file) - {key.public}
        alone = settings.append_unasked or high_water.in_place
        mark = OwnLogMark(high_water.seq, len(known), alone)
        life = household.capabilities, wall_ms(), network.addresses, mark
        await loop.feed(Started(*life, box.public, membership.operator))
        nursery.start_soon(_await_servers, household, loop, desk, encoder)
        await _dial_all(network.dial, settings, swarm_file, insist)
        serving = await _open_gateway(settings, desk, nursery, stack)
        garbage.settle()
        on_ready(_ready(key, swarm_file, network.addresses, network.peers, household, serving))
        await _stay(encoder)


async def _stay(encoder: LateEncoder | None) -> None:
    """Load what the first task needs, now that nobody waits for it; then run until the end."""
    if encoder is not None:
        with suppress(EngineError):  # said when it is needed
            await encoder.load()
    await trio.to_thread.run_sync(import_module, "networkx")
    await trio.sleep_forever()


def _membership(swarm_file: SwarmFile, gone: frozenset[bytes], household: Household) -> Membership:
    """What this node may show and knows, and a warning if nobody will want its agents."""
    membership = Membership(swarm_file.genesis, swarm_file.proof, gone)
    if membership.observes and (household.agents or household.awaited):
        household.notes.append("this node is an observer: nobody gives its agents work")
    return membership


def _tasks(notebook: Notebook, hub: Hub) -> list[TaskFound]:
    """The tasks to go on with; clients find them, and those that ended lately, by their ids."""
    for task, kept in notebook.ended(wall_ms()):
        hub.recall(task, kept)
    found = notebook.unfinished()
    for item in found:
        for note in item.notes:
            if isinstance(note, TaskBegun):
                hub.begin(item.task, note.spec, note.wall_ms)
    return found


def known_peers(settings: NodeSettings, swarm_file: SwarmFile) -> set[bytes]:
    """The other nodes that may know this node's log: named, invited by, or met before."""
    addresses = (*settings.peers, *swarm_file.bootstrap)
    named = {parse_peer_id(text.rpartition("/p2p/")[2]) for text in addresses if "/p2p/" in text}
    return named | AddressBook(settings.home / ADDRESS_BOOK).addresses().keys()


def _net_settings(settings: NodeSettings, swarm_file: SwarmFile) -> NetSettings:
    bootstrap = tuple(dict.fromkeys((*settings.peers, *swarm_file.bootstrap)))
    return NetSettings(
        listen=settings.listen_addresses,
        bootstrap=tuple(address for address in bootstrap if "/p2p/" in address),
        address_book=settings.home / ADDRESS_BOOK,
        ports=settings.home / PORTS,
        preset=Preset(settings.preset),
    )


async def _dial_all(
    dial: Callable[[str], Awaitable[bytes]],
    settings: NodeSettings,
    swarm_file: SwarmFile,
    insist: bool,
) -> None:
    """Meet the peers that were named. Being refused is an error; so is, for somebody who
    insists, to reach none of them. Those that are away are tried again for ever.
    """
    named = insist and (settings.invite is not None or bool(settings.peers))
    addresses = tuple(dict.fromkeys((*settings.peers, *swarm_file.bootstrap)))
    failures: list[SymphonyError] = []

    async def meet(address: str) -> None:
        try:
            await dial(address)
        except Unreachable as error:
            failures.append(error)
            _log.warning("peer_unreachable", address=address, reason=error.message)

    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(meet, address)
    mismatch = next((f for f in failures if isinstance(f, ProtocolMismatch)), None)
    if mismatch is not None:
        raise mismatch
    if named and addresses and len(failures) == len(addresses):
        raise failures[0]


async def _open_gateway(
    settings: NodeSettings, desk: Desk, nursery: trio.Nursery, stack: AsyncExitStack
) -> Serving | None:
    if not settings.gateway.enabled:
        return None
    wanted = settings.gateway
    stop = trio.Event()
    try:
        chosen = GatewaySettings(host=wanted.host, port=wanted.port)
        serving: Serving = await nursery.start(partial(serve_gateway, desk, chosen, stop=stop))
    except ConfigError:
        if "port" in wanted.model_fields_set:  # somebody will look for it there
            raise
        chosen = GatewaySettings(host=wanted.host, port=0)  # another node has the usual port
        serving = await nursery.start(partial(serve_gateway, desk, chosen, stop=stop))
        _log.warning("gateway_port_taken", wanted=wanted.port, got=serving.url)
    stack.enter_context(advertised(settings.home, serving))
    return serving


def _embedder(
    encoder: LateEncoder | None, loop: Loop, nursery: trio.Nursery
) -> Callable[[Embed], None]:
    """Runs `Embed` effects; without an encoder the answer is that there are no vectors."""

    async def run(effect: Embed) -> None:
        vectors: dict[str, bytes] = {}
        name: str | None = None
        if encoder is not None:
            try:
                with trio.move_on_after(limits.EMBED_WAIT_S):
                    found = await encoder.encode(effect.texts)
                    name, vectors = encoder.id, dict(zip(effect.texts, found, strict=True))
            except EngineError as error:
                _log.warning("not_encoded", reason=error.message)
        await loop.feed(Embedded(name, effect.texts, vectors))

    return lambda effect: nursery.start_soon(run, effect)


def _habits(
    nursery: trio.Nursery,
    loop: Loop,
    settings: NodeSettings,
    household: Household,
    *,
    founder: bool,
) -> None:
    """What a node does again and again, unasked."""
    nursery.start_soon(_read_clock, loop)
    if founder:
        nursery.start_soon(_watch_invites, settings.home, loop)
    here = [agent.manifest for agent in household.agents.values()]
    coming = [manifest for server in household.awaited for manifest in server.manifests]
    known = [probe for manifest in (*here, *coming) for probe in manifest.probes]
    nursery.start_soon(probe_others, known, settings.probes_per_hour, loop.feed)
    tests, after_s = household.self_tests, settings.engine.self_test_after_s
    nursery.start_soon(
        measure_when_idle, tests, lambda: household.capabilities, loop.workshop, loop.feed, after_s
    )


async def _await_servers(
    household: Household, loop: Loop, desk: Desk, encoder: LateEncoder | None
) -> None:
    """Take in the agents of servers that were away when the node began."""

    async def arrived(server: Awaited, described: Description) -> None:
        household.admit(server, described)
        await household.describe(encoder)
        loop.workshop.host(household.agents)
        await loop.feed(AgentsChanged(household.capabilities))
        desk.warnings = household.warnings

    def failed(server: Awaited, reason: str) -> None:
        household.leave_out_for_now(server, reason)
        desk.warnings = household.warnings

    desk.warnings = household.warnings
    await ask_again(household.awaited, arrived, failed)


async def _watch_invites(home: Path, loop: Loop) -> None:
    """Tell the core of invites that `symphony invite revoke` takes back while the node runs."""
    while True:
        for invite in sorted(revoked(home) - loop.swarm.revoked):
            await loop.feed(Revoke(invite))
        await trio.sleep(limits.INVITES_EVERY_S)


async def _read_clock(loop: Loop) -> None:
    while True:
        await trio.sleep(limits.WALL_CLOCK_EVERY_S)
        await loop.feed(WallClock(wall_ms()))


def _ready(
    key: PrivateKey,
    swarm_file: SwarmFile,
    addresses: tuple[str, ...],
    peers: Callable[[], Sequence[object]],
    household: Household,
    serving: Serving | None,
) -> Ready:
    return Ready(
        node=did_key(key.public),
        short=key.public.hex()[:8],
        peer_id=peer_id(key.public),
        swarm=swarm_file.swarm_id.hex(),
        swarm_name=swarm_file.genesis.name,
        addresses=addresses,
        peers=len(peers()),
        agents=tuple(household.agents),
        not_hosted=dict(household.left_out),
        gateway=serving.url if serving is not None else None,
        warnings=household.warnings,
    )

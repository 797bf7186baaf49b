"""Partner Center's webhook sender: signs, posts, retries, on the stack's clock."""

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import Final

import requests

from local.marketplace import shapes
from local.marketplace.config import TokenVersion, Webhook
from local.marketplace.deliveries import Delivery, DeliveryState, Post, Try
from local.marketplace.faults import Target
from local.marketplace.simulator import Simulator
from local.marketplace.wire import dumps

_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Letter:
    """One POST, ready to be sent from another thread."""

    url: str
    body: bytes
    token: str
    token_version: TokenVersion
    request_id: str
    timeout: float


class Sender:
    """Runs beside the server: lets time pass, collects news, sends what is due."""

    def __init__(self, simulator: Simulator) -> None:
        self.post = Post()
        self._simulator = simulator
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._signed = 0

    def wake(self) -> None:
        """Look again at once: something has happened or time has moved."""
        self._wake.set()

    def reset(self) -> None:
        """Forget all deliveries; what is under way ends unnoticed."""
        self.post = Post()
        for task in self._busy.values():
            task.cancel()
        self._busy = {}

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way and nothing is due."""
        idle = not self._busy and not self._simulator.market.outbox
        return idle and not self.post.due(self._simulator.clock.now())

    async def settle(self, seconds: float) -> bool:
        """Wait until the sender is quiet; False when it was not within ``seconds`` real time."""
        try:
            async with asyncio.timeout(seconds):
                while not self.quiet:
                    self.wake()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            self._round()
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _round(self) -> None:
        simulator = self._simulator
        now = simulator.tick()
        news, simulator.market.outbox = simulator.market.outbox, []
        for item in news:
            body = dumps(shapes.notification(item, simulator.market.offers, simulator.options))
            fault = simulator.faults.draw(Target.WEBHOOK, item.operation.action)
            self.post.add(item, body, fault, now)
        for delivery in self.post.due(now):
            if delivery.subscription_id not in self._busy:
                self._start(delivery)

    def _start(self, delivery: Delivery) -> None:
        if self._simulator.webhook.url is None:
            self.post.unaddressed(delivery)
            return
        task = asyncio.create_task(self._send(delivery))
        self._busy[delivery.subscription_id] = task
        task.add_done_callback(lambda done: self._finished(delivery.subscription_id, done))

    def _finished(self, subscription_id: str, task: asyncio.Task[None]) -> None:
        if self._busy.get(subscription_id) is task:
            del self._busy[subscription_id]
        self.wake()

    async def _send(self, delivery: Delivery) -> None:
        simulator, post, market = self._simulator, self.post, self._simulator.market
        rule = simulator.webhook
        letter = self._write(delivery, rule)
        status, error = await _in_thread(letter)
        now = simulator.clock.now()
        post.record(delivery, Try(now, status, error, letter.token_version), rule, now)
        if delivery.state is DeliveryState.REFUSED:
            market.refuse(delivery.notification.operation.id)

    def _write(self, delivery: Delivery, rule: Webhook) -> Letter:
        simulator = self._simulator
        self._signed += 1
        version = rule.token_version
        if version is TokenVersion.ALTERNATE:
            version = TokenVersion.V1 if self._signed % 2 else TokenVersion.V2
        claims = (
            simulator.entra.v1_claims if version is TokenVersion.V1 else (simulator.entra.v2_claims)
        )
        audience = rule.audience or simulator.settings.marketplace_app_id
        microsoft = simulator.entra.microsoft()
        signed = simulator.ring.sign(
            claims(audience, microsoft, simulator.clock.now(), rule.tenant_id)
        )
        return Letter(
            rule.url or "",
            delivery.body.encode(),
            signed,
            version,
            simulator.noise.guid(),
            rule.timeout_seconds,
        )


async def _in_thread(letter: Letter) -> tuple[int | None, str]:
    """Post from a thread that does not keep the process alive when it is told to end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[int | None, str]] = loop.create_future()

    def settle(result: tuple[int | None, str]) -> None:
        if not done.done():
            done.set_result(result)

    def work() -> None:
        result = deliver(letter)
        with contextlib.suppress(RuntimeError):  # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=work, name="webhook", daemon=True).start()
    return await done


def deliver(letter: Letter) -> tuple[int | None, str]:
    """POST a letter: the status, or None and the reason why there was no answer."""
    headers = {
        "Authorization": f"Bearer {letter.token}",
        "Content-Type": "application/json; charset=utf-8",
        "x-ms-requestid": letter.request_id,
        "x-ms-correlationid": letter.request_id,
    }
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                letter.url,
                data=letter.body,
                headers=headers,
                timeout=letter.timeout,
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, OSError, ValueError) as problem:
            return None, type(problem).__name__
        answer.close()
        return answer.status_code, ""

"""A recipient on NATS: pulls its own durable, acknowledges after it has written, reports by request. See recipient.py.

  MADOGUCHI_NATS_URL      nats://...
  MADOGUCHI_NATS_CREDS    the .creds file
  MADOGUCHI_NATS_ACCOUNT  A..., your account: also the name of the durable
  MADOGUCHI_DESK          https://... the partner API, where the books are compared; see desk.py
"""

import asyncio
import json
import os
import threading

import nats
from nats.errors import Error, TimeoutError

import desk
import recipient

ACCOUNT = os.environ["MADOGUCHI_NATS_ACCOUNT"]
# With a shared prefix anybody in an account could read another's pulls: the desk allows this one only.
INBOX = f"_INBOX_{ACCOUNT}"
ME = recipient.from_environment()


async def pull(client, work: asyncio.Event):
    feed = await client.jetstream().pull_subscribe_bind(
        ACCOUNT, stream="OPTOUT", inbox_prefix=f"{INBOX}.".encode()
    )
    while True:
        try:
            messages = await feed.fetch(64, timeout=30)
        except TimeoutError:
            continue
        for message in messages:
            try:
                await asyncio.to_thread(ME.take, message.data)
            except (recipient.Refused, ValueError, KeyError, TypeError) as error:
                print("refused:", error, flush=True)
                await message.term()
                continue
            work.set()
            # Asks until the server says that it has the acknowledgement; if it does not, the message comes again.
            try:
                await message.ack_sync()
            except TimeoutError:
                pass


async def report(client, work: asyncio.Event):
    while True:
        for number, jws in ME.open_reports():
            try:
                message = await client.request(f"report.{ACCOUNT}.v1", jws.encode(), timeout=5)
            except Error:
                break
            answer = json.loads(message.data)
            if answer["result"] == "unavailable":
                break
            ME.answered(number, answer)
        try:
            await asyncio.wait_for(work.wait(), 1)
        except asyncio.TimeoutError:
            pass
        work.clear()


async def main():
    client = await nats.connect(
        os.environ["MADOGUCHI_NATS_URL"],
        user_credentials=os.environ["MADOGUCHI_NATS_CREDS"],
        inbox_prefix=INBOX,
        max_reconnect_attempts=-1,
    )
    threading.Thread(target=desk.compare_for_ever, args=[ME], daemon=True).start()
    print("connected", flush=True)
    work = asyncio.Event()
    await asyncio.gather(pull(client, work), report(client, work))


if __name__ == "__main__":
    asyncio.run(main())

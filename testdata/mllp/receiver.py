"""An MLLP receiver that is python-hl7's, and no code of ours: its server, its parser, its unescaping, its acknowledgements.

    receiver.py WORK     listens on loopback; WORK/port is its port; WORK/received.ndjson gets a line for each message, written
                         and flushed before the message is acknowledged

Original mode gets one AA. A message that asks for enhanced mode (MSH-15, MSH-16) gets a CA and then an AA on the same connection.
"""

import asyncio
import json
import os
import sys

import hl7
import hl7.mllp

# What python-hl7 does not find out by itself. It reads neither MSH-18 (its default is ASCII) nor asks for more than 64 KiB.
ENCODING = "utf-8"
LIMIT = 64 << 20


def read(message):
    """The message as the library reads it. extract_field takes one component: a delimiter left unescaped cuts the text."""
    documents = list(message.segments("OBX"))
    lines = [o.extract_field(n, 5) for n, o in enumerate(documents, 1) if o.extract_field(n, 2) == "TX"]
    files = [
        [o.extract_field(n, 5, 1, component) for component in (2, 3, 4, 5)]
        for n, o in enumerate(documents, 1)
        if o.extract_field(n, 2) == "ED"
    ]
    return {
        "msh-9": [message.extract_field("MSH", 1, 9, 1, component) for component in (1, 2, 3)],
        "msh-10": message.extract_field("MSH", 1, 10),
        "acks": [message.extract_field("MSH", 1, field) for field in (15, 16)],
        "msh-18": message.extract_field("MSH", 1, 18),
        "segments": [str(segment[0]) for segment in message],
        "pid-3": [message.extract_field("PID", 1, 3, 1, component) for component in (1, 4, 5)],
        "pid-5": [message.extract_field("PID", 1, 5, 1, component) for component in (1, 2, 3)],
        "txa-12": message.extract_field("TXA", 1, 12),
        "txa-13": message.extract_field("TXA", 1, 13),
        "txa-17": message.extract_field("TXA", 1, 17),
        "txa-22": message.extract_field("TXA", 1, 22),
        "obx-1": [o.extract_field(n, 1) for n, o in enumerate(documents, 1)],
        "text": "\n".join(lines),
        "files": files,
    }


def acknowledgements(message):
    accept, application = (message.extract_field("MSH", 1, field) for field in (15, 16))
    if not accept and not application:
        return [message.create_ack("AA")]
    asked = [("CA", accept), ("AA", application)]
    return [message.create_ack(code) for code, when in asked if when == "AL"]


def server(out):
    async def take(reader, writer):
        try:
            while True:
                message = await reader.readmessage()
                out.write(json.dumps(read(message)) + "\n")
                out.flush()
                for ack in acknowledgements(message):
                    writer.writemessage(ack)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side has closed
        finally:
            writer.close()

    return take


async def main(work):
    with open(os.path.join(work, "received.ndjson"), "a", encoding="utf-8") as out:
        listening = await hl7.mllp.start_hl7_server(server(out), "127.0.0.1", 0, limit=LIMIT, encoding=ENCODING)
        port = os.path.join(work, "port")
        with open(port + ".new", "w") as f:
            f.write(str(listening.sockets[0].getsockname()[1]))
        os.rename(port + ".new", port)
        await listening.serve_forever()


if __name__ == "__main__":
    if hl7.__version__ != "0.4.5":
        print("python-hl7 is", hl7.__version__, "and what is documented was seen with 0.4.5", file=sys.stderr)
    asyncio.run(main(sys.argv[1]))

"""A recipient that asks instead of being told: long poll, take in, acknowledge by position, report. See recipient.py.

  MADOGUCHI_DESK  https://... the partner API; see desk.py
"""

import sys
import threading
import time

import desk
import recipient

ME = recipient.from_environment()


def pull() -> None:
    while True:
        try:
            headers, page = desk.ask(ME, "GET", "/partner/v1/instructions?wait=20")
            bodies = desk.elements(page)
            for body in bodies:
                try:
                    ME.take(body)
                except (recipient.Refused, ValueError, KeyError, TypeError) as error:
                    print("refused:", error, file=sys.stderr, flush=True)
            if bodies:
                # Everything is written down: the desk goes on after it. Only the reports end an instruction.
                desk.ask(ME, "POST", f"/partner/v1/acknowledgements?cursor={headers['madoguchi-cursor']}")
        except desk.Away:
            time.sleep(1)


def report() -> None:
    while True:
        for number, jws in ME.open_reports():
            answer = desk.send(jws)
            if answer is None:
                break
            ME.answered(number, answer)
        time.sleep(0.2)


if __name__ == "__main__":
    threading.Thread(target=report, daemon=True).start()
    threading.Thread(target=desk.compare_for_ever, args=[ME], daemon=True).start()
    print("asking", flush=True)
    pull()

"""Takes jobs from the list "jobs" in Redis, and does each one in a process of its own. A job is a number of seconds.

A job stays in the list "busy" until it is done: none is lost when this process is.
"""
import multiprocessing
import signal
import socket
import time

stopping = False


def stop(*_):
    global stopping
    stopping = True


class Redis:
    def __init__(self):
        self.connection = socket.create_connection(("127.0.0.1", 6379))
        self.replies = self.connection.makefile("rb")

    def ask(self, *words):
        """The reply as a text, or None when there is nothing."""
        self.connection.sendall(" ".join(words).encode() + b"\r\n")
        reply = self.replies.readline().decode().rstrip("\r\n")
        if not reply or reply[0] == "-":
            raise ConnectionError(reply or "Redis has gone")
        if reply[0] == "$" and reply != "$-1":
            return self.replies.read(int(reply[1:]) + 2).decode().rstrip("\r\n")
        return None


def do(job):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(float(job))


def main():
    signal.signal(signal.SIGTERM, stop)
    redis = Redis()
    while redis.ask("LMOVE", "busy", "jobs", "RIGHT", "RIGHT"):
        pass
    print("ready")
    while not stopping:
        job = redis.ask("BLMOVE", "jobs", "busy", "RIGHT", "LEFT", "0.2")
        if job:
            child = multiprocessing.Process(target=do, args=(job,))
            child.start()
            child.join()
            print("done" if child.exitcode == 0 else "failed", job)
            redis.ask("LREM", "busy", "1", job)


main()

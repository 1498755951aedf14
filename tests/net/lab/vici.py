"""A client of strongSwan's control socket (its vici protocol)."""
import socket
import struct

CMD_REQUEST, CMD_RESPONSE, CMD_UNKNOWN, EVENT_REGISTER, EVENT_UNREGISTER, EVENT_CONFIRM, EVENT_UNKNOWN, \
    EVENT = range(8)
SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


class ViciError(Exception):
    pass


def encode(section):
    out = b""
    for key, value in section.items():
        head = bytes([len(key)]) + key.encode()
        if isinstance(value, dict):
            out += bytes([SECTION_START]) + head + encode(value) + bytes([SECTION_END])
        elif isinstance(value, (list, tuple)):
            items = b"".join(bytes([LIST_ITEM]) + encode_text(item) for item in value)
            out += bytes([LIST_START]) + head + items + bytes([LIST_END])
        else:
            out += bytes([KEY_VALUE]) + head + encode_text(value)
    return out


def encode_text(value):
    data = str(value).encode()
    return struct.pack("!H", len(data)) + data


class Decoder:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def name(self):
        return self.take(self.take(1)[0]).decode()

    def text(self):
        return self.take(struct.unpack("!H", self.take(2))[0]).decode(errors="replace")

    def section(self):
        result = {}
        while self.at < len(self.data):
            kind = self.take(1)[0]
            if kind == SECTION_END:
                break
            key = self.name()
            if kind == SECTION_START:
                result[key] = self.section()
            elif kind == KEY_VALUE:
                result[key] = self.text()
            else:
                result[key] = self.list()
        return result

    def list(self):
        items = []
        while self.take(1)[0] == LIST_ITEM:
            items.append(self.text())
        return items


class Vici:
    def __init__(self, path, timeout_s=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_s)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _send(self, kind, name, body=b""):
        data = bytes([kind, len(name)]) + name.encode() + body
        self.socket.sendall(struct.pack("!I", len(data)) + data)

    def _receive_exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ViciError("connection closed")
            data += more
        return data

    def _receive(self):
        data = self._receive_exactly(struct.unpack("!I", self._receive_exactly(4))[0])
        if data[0] == EVENT:
            decoder = Decoder(data[1:])
            decoder.name()
            return EVENT, decoder.section()
        return data[0], Decoder(data[1:]).section()

    def request(self, command, message=None):
        """The answer to a command; ViciError when it says that it failed."""
        self._send(CMD_REQUEST, command, encode(message or {}))
        kind, answer = self._receive()
        if kind != CMD_RESPONSE:
            raise ViciError(f"{command}: answer of type {kind}")
        if answer.get("success", "yes") != "yes":
            raise ViciError(f"{command}: {answer.get('errmsg', 'no reason given')}")
        return answer

    def stream(self, command, event, message=None):
        """All the events that a command raises before its answer."""
        self._send(EVENT_REGISTER, event)
        self._receive()
        self._send(CMD_REQUEST, command, encode(message or {}))
        events = []
        while True:
            kind, section = self._receive()
            if kind != EVENT:
                break
            events.append(section)
        self._send(EVENT_UNREGISTER, event)
        self._receive()
        return events

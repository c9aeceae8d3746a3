#!/usr/bin/python3
"""Checks proto/PROTOCOL.md against the .proto file, so that neither can change alone:

- the bytes of its worked example are those that Google's protobuf makes of the messages below;
- every message, field and enum value has its row, with its number, name and type;
- the results in ledger/results.h have the names and numbers of the wire's.

Needs protoc and python3-protobuf. Ends with 1, and names each difference, when there is one.
`--print` writes the example's blocks as they have to be.
"""
import importlib
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPECIFICATION = ROOT / "proto/PROTOCOL.md"
RESULTS_H = ROOT / "ledger/results.h"

WIRE_VARINT, WIRE_BYTES = 0, 2


def load_messages():
    """Compiles the .proto with protoc, apart from the C that the build makes of it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["protoc", f"-I{ROOT}/proto", f"--python_out={folder}", "florin/v1/florin.proto"],
            check=True,
        )
        sys.path.insert(0, folder)
        return importlib.import_module("florin.v1.florin_pb2")


def account_id(number):
    return number.to_bytes(16, "big")


# A time-ordered id whose low 10 bits are those of the debit account's, 101.
TRANSFER_ID = bytes.fromhex("019a5b1c2d007abc8def012345675465")
OPENED_AT = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
PAID_AT = OPENED_AT + 86_400_000_000_000


def example(pb):
    """The worked example: the name of each block, and its message."""
    opening = pb.Request(request_id=b"open-1")
    opening.open_accounts.accounts.add(id=account_id(101), ledger=978, code=1)
    opening.open_accounts.accounts.add(
        id=account_id(102),
        ledger=978,
        code=2,
        flags=pb.ACCOUNT_FLAG_DEBITS_MUST_NOT_EXCEED_CREDITS,
    )
    opened = pb.Reply(request_id=b"open-1", status=pb.STATUS_OK)
    for timestamp in (OPENED_AT, OPENED_AT + 1):
        opened.open_accounts.results.add(timestamp=timestamp)

    payment = pb.Request(request_id=b"pay-1")
    payment.create_transfers.transfers.add(
        id=TRANSFER_ID,
        debit_account_id=account_id(101),
        credit_account_id=account_id(102),
        amount=1250,
        ledger=978,
        code=1,
        reference="Rent",
    )
    paid = pb.Reply(request_id=b"pay-1", status=pb.STATUS_OK)
    paid.create_transfers.results.add(timestamp=PAID_AT)
    return {
        "open_accounts request": opening,
        "open_accounts reply": opened,
        "create_transfers request": payment,
        "create_transfers reply": paid,
    }


def varint_end(data, at):
    while data[at] & 0x80:
        at += 1
    return at + 1


def varint(data):
    return sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(data))


def annotate(descriptor, data, depth=0):
    """One line a field: its bytes, and what they say."""
    lines, at = [], 0
    while at < len(data):
        start, at = at, varint_end(data, at)
        number, wire = divmod(varint(data[start:at]), 8)
        field = descriptor.fields_by_number[number]
        value_start, at = at, varint_end(data, at)
        value = varint(data[value_start:at])
        if wire == WIRE_VARINT:
            lines.append((data[start:at], depth, f"{field.name} = {value}"))
            continue
        assert wire == WIRE_BYTES
        content, head = data[at : at + value], data[start:at]
        at += value
        if field.message_type:
            lines.append((head, depth, f"{field.name}, {value} bytes"))
            lines += annotate(field.message_type, content, depth + 1)
        else:
            lines.append((head + content, depth, field.name))
    return lines


def block(name, message):
    text = [f"```hex {name}"]
    for data, depth, comment in annotate(message.DESCRIPTOR, message.SerializeToString()):
        text.append(f"{data.hex(' '):<59}  {'  ' * depth}{comment}")
    return "\n".join(text + ["```"])


def read_blocks(text):
    """The bytes of each ```hex block: what stands before two blanks on each line."""
    blocks = {}
    for name, body in re.findall(r"^```hex ([^\n]+)\n(.*?)^```$", text, re.M | re.S):
        blocks[name] = bytes.fromhex("".join(line.split("  ")[0] for line in body.splitlines()))
    return blocks


def read_tables(text):
    """Under each heading that is a name in backquotes: the first three cells of each row."""
    tables = {}
    for section in re.split(r"^#+ ", text, flags=re.M)[1:]:
        heading = re.match(r"`(\w+)`", section)
        if heading:
            rows = re.findall(r"^\| (\d+) \| `(\w+)` \|([^|]*)\|", section, re.M)
            tables[heading.group(1)] = {(int(n), name): third.strip() for n, name, third in rows}
    return tables


def type_name(field):
    names = {3: "int64", 4: "uint64", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}
    if field.message_type:
        name = f"`{field.message_type.name}`"
    elif field.enum_type:
        name = f"`{field.enum_type.name}`"
    else:
        name = names[field.type]
    return f"repeated {name}" if field.label == field.LABEL_REPEATED else name


def short_names(enum):
    """OPEN_ACCOUNT_RESULT_CREATED is `created`; STATUS_OK is `OK`."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
    for value in enum.values:
        assert value.name.startswith(prefix), value.name
        yield value.number, value.name[len(prefix) :].lower()


def compare(what, expected, found):
    for row in sorted(expected - found):
        yield f"{what}: {row} is missing"
    for row in sorted(found - expected):
        yield f"{what}: {row} should not be there"


def check_tables(file, tables):
    for name, message in file.message_types_by_name.items():
        expected = {(f.number, f.name, type_name(f)) for f in message.fields}
        found = {(*key, third) for key, third in tables.get(name, {}).items()}
        yield from compare(name, expected, found)
    for name, enum in file.enum_types_by_name.items():
        found = {(number, value.lower()) for number, value in tables.get(name, {})}
        yield from compare(name, set(short_names(enum)), found)


def check_results(file):
    text = RESULTS_H.read_text().replace("\\\n", " ")
    macros = {"FLORIN_ACCOUNT_RESULTS": "OpenAccountResult",
              "FLORIN_TRANSFER_RESULTS": "CreateTransferResult"}
    for macro, enum in macros.items():
        body = re.search(rf"#define {macro}\(X\)(.*?)\n\n", text, re.S).group(1)
        found = {(int(n), s) for s, n in re.findall(r'"(\w+)",\s*(\d+)\)', body)}
        yield from compare(f"{RESULTS_H.name}, {macro}",
                           set(short_names(file.enum_types_by_name[enum])), found)


def check_example(messages, text):
    blocks = read_blocks(text)
    for name, message in messages.items():
        if blocks.get(name) != message.SerializeToString():
            yield f"the bytes of '{name}' are not those of the message: see --print"
    yield from compare("blocks of hex", set(messages), set(blocks))


def main():
    pb = load_messages()
    messages = example(pb)
    if sys.argv[1:] == ["--print"]:
        print("\n\n".join(block(name, message) for name, message in messages.items()))
        return 0
    text = SPECIFICATION.read_text()
    problems = [
        *check_tables(pb.DESCRIPTOR, read_tables(text)),
        *check_results(pb.DESCRIPTOR),
        *check_example(messages, text),
    ]
    for problem in problems:
        print(f"{SPECIFICATION.name}: {problem}", file=sys.stderr)
    if not problems:
        print(f"{SPECIFICATION.name} says what florin.proto says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

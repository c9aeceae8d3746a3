#!/usr/bin/python3
"""Checks proto/PROTOCOL.md against the .proto file, so that neither can change alone:

- the bytes of its examples are those that Google's protobuf makes of the messages below, and those
  of packs and reversals what the page says they are made of;
- every message, field and enum value has its row, in order, with its number, name and type;
- the results that are marked as remembered are those that the ledger remembers;
- the results, flags and statuses in the ledger's headers have the names and numbers of the wire's.

Needs protoc and python3-protobuf. Ends with 1, and names each difference, when there is one.
`--print` writes the examples' blocks as they have to be.
"""
import hashlib
import importlib
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPECIFICATION = ROOT / "proto/PROTOCOL.md"
LEDGER_H = ROOT / "ledger/ledger.h"
RESULTS_H = ROOT / "ledger/results.h"
RESULTS_C = ROOT / "ledger/results.c"

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


# Time-ordered ids whose low 10 bits are those of the debit account's, 101.
TRANSFER_ID = bytes.fromhex("019a5b1c2d007abc8def012345675465")
PENDING_ID = bytes.fromhex("019a5b1c4e217abc8def0123456a1865")
POST_ID = bytes.fromhex("019a5b1f60337abc8def0123456b9c65")
TRACE_IDS = [bytes.fromhex("5f0c3e9a81d24b67a0c4d1e2f3958677"),
             bytes.fromhex("c81e728d9d4c4f0636f067f89cc1486f")]
SLOT_MASK = (1 << 10) - 1
REVERSAL = b"florin reversal"
OPENED_AT = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
PAID_AT = OPENED_AT + 86_400_000_000_000


def opening(pb):
    """The first request, its reply, and the same of a payment."""
    request = pb.Request(request_id=b"open-1")
    request.open_accounts.accounts.add(id=account_id(101), ledger=978, code=1)
    request.open_accounts.accounts.add(
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
        "open_accounts request": message_lines(request),
        "open_accounts reply": message_lines(opened),
        "create_transfers request": message_lines(payment),
        "create_transfers reply": message_lines(paid),
    }


def two_phases(pb):
    pending = pb.Request(request_id=b"hold-1")
    pending.create_transfers.transfers.add(
        id=PENDING_ID,
        debit_account_id=account_id(101),
        credit_account_id=account_id(102),
        amount=5000,
        timeout=3600,
        ledger=978,
        code=1,
        flags=pb.TRANSFER_FLAG_PENDING,
    )
    post = pb.Request(request_id=b"take-1")
    post.create_transfers.transfers.add(
        id=POST_ID,
        amount=4200,
        pending_id=PENDING_ID,
        flags=pb.TRANSFER_FLAG_POST_PENDING_TRANSFER,
    )
    return {"pending request": message_lines(pending), "post request": message_lines(post)}


def part_lines(what, content, lines=None):
    """A part of a pack: its length, and then the lines that tell it; text is one line."""
    length = len(content).to_bytes(4, "big")
    inside = lines or [(content, 0, repr(content.decode()))]
    return [(length, 0, f"{what}, {len(content)} bytes")] + [
        (data, depth + 1, comment) for data, depth, comment in inside
    ]


def message_part(what, message):
    return part_lines(what, message.SerializeToString(), message_lines(message))


def packs(pb):
    requests, replies = [], []
    for token, number, trace_id in zip((b"t1", b"t2"), (7, 8), TRACE_IDS):
        context = pb.RequestContext(principal="shop", ttl_ms=10000, attempt=1, trace_id=trace_id)
        asked = pb.Request(request_id=token[1:])
        asked.lookup_accounts.ids.append(account_id(number))
        found = pb.Reply(request_id=token[1:], status=pb.STATUS_OK)
        found.lookup_accounts.SetInParent()
        requests += part_lines("token", token)
        requests += message_part("context", context)
        requests += message_part("body", asked)
        replies += part_lines("token", token)
        replies += message_part("body", found)
    return {"packed requests": requests, "packed replies": replies}


def reversal():
    """The id of the transfer that reverses the payment from 101 to 102."""
    digest = hashlib.blake2b(REVERSAL + TRANSFER_ID, digest_size=16).digest()
    number = int.from_bytes(digest, "big") & ~SLOT_MASK | 102 & SLOT_MASK
    return {"reversal": [
        (REVERSAL, 0, "'florin reversal'"),
        (TRANSFER_ID, 0, "the original's id"),
        (digest, 0, "the digest of these 31 bytes"),
        (number.to_bytes(16, "big"), 0, "with slot 102: the id"),
    ]}


def examples(pb):
    """The name of each block, and its lines: bytes, depth, comment."""
    return {**opening(pb), **two_phases(pb), **packs(pb), **reversal()}


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


def message_lines(message):
    return annotate(message.DESCRIPTOR, message.SerializeToString())


def block(name, lines):
    text = [f"```hex {name}"]
    for data, depth, comment in lines:
        text.append(f"{data.hex(' '):<59}  {'  ' * depth}{comment}".rstrip())
    return "\n".join(text + ["```"])


def all_bytes(lines):
    return b"".join(data for data, _, _ in lines)


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
    """In order: OPEN_ACCOUNT_RESULT_CREATED is `created`; STATUS_OK is `OK`."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
    for value in enum.values:
        assert value.name.startswith(prefix), value.name
        yield value.number, value.name[len(prefix) :].lower()


def compare(what, expected, found):
    for row in sorted(expected - found):
        yield f"{what}: {row} is missing"
    for row in sorted(found - expected):
        yield f"{what}: {row} should not be there"


def in_order(what, expected, found):
    """The same rows, and in the same order."""
    yield from compare(what, set(expected), set(found))
    if sorted(expected) == sorted(found) and list(expected) != list(found):
        yield f"{what}: the rows are not in order"


def check_tables(file, tables):
    for name, message in file.message_types_by_name.items():
        expected = [(f.number, f.name, type_name(f)) for f in message.fields]
        found = [(*key, third) for key, third in tables.get(name, {}).items()]
        yield from in_order(name, expected, found)
    for name, enum in file.enum_types_by_name.items():
        found = [(number, value.lower()) for number, value in tables.get(name, {})]
        yield from in_order(name, list(short_names(enum)), found)


def check_results(file):
    text = RESULTS_H.read_text().replace("\\\n", " ")
    macros = {"FLORIN_ACCOUNT_RESULTS": "OpenAccountResult",
              "FLORIN_TRANSFER_RESULTS": "CreateTransferResult",
              "FLORIN_LIMIT_RESULTS": "SetCreditLimitResult"}
    for macro, enum in macros.items():
        body = re.search(rf"#define {macro}\(X\)(.*?)\n\n", text, re.S).group(1)
        found = [(int(n), s) for s, n in re.findall(r'"(\w+)",\s*(\d+)\)', body)]
        yield from in_order(f"{RESULTS_H.name}, {macro}",
                            list(short_names(file.enum_types_by_name[enum])), found)


def check_remembered(tables):
    text = re.search(r"bool florin_transfer_result_remembered.*?return true;",
                     RESULTS_C.read_text(), re.S).group(0)
    remembered = {name.lower() for name in re.findall(r"case FLORIN_TRANSFER_(\w+):", text)}
    marked = {name for (_, name), mark in tables["CreateTransferResult"].items() if "R" in mark}
    yield from compare("results marked R", remembered, marked)


def check_ledger(file):
    """The constants of the ledger's enums, by the head of their names. NONE is the wire's own."""
    text = LEDGER_H.read_text()
    heads = {"FLORIN_ACCOUNT_FLAG_": "AccountFlag", "FLORIN_TRANSFER_FLAG_": "TransferFlag",
             "FLORIN_PENDING_": "PendingStatus"}
    for head, enum in heads.items():
        found = {(int(n), name.lower()) for name, n in re.findall(rf"{head}(\w+) = (\d+)", text)}
        expected = set(short_names(file.enum_types_by_name[enum]))
        yield from compare(f"{LEDGER_H.name}, {head}*", {row for row in expected if row[0]},
                           {row for row in found if row[0]})


def check_examples(lines, text):
    blocks = read_blocks(text)
    for name, expected in lines.items():
        if blocks.get(name) != all_bytes(expected):
            yield f"the bytes of '{name}' are not those of the example: see --print"
    yield from compare("blocks of hex", set(lines), set(blocks))


def main():
    pb = load_messages()
    lines = examples(pb)
    if sys.argv[1:] == ["--print"]:
        print("\n\n".join(block(name, expected) for name, expected in lines.items()))
        return 0
    text = SPECIFICATION.read_text()
    tables = read_tables(text)
    problems = [
        *check_tables(pb.DESCRIPTOR, tables),
        *check_results(pb.DESCRIPTOR),
        *check_remembered(tables),
        *check_ledger(pb.DESCRIPTOR),
        *check_examples(lines, text),
    ]
    for problem in problems:
        print(f"{SPECIFICATION.name}: {problem}", file=sys.stderr)
    if not problems:
        print(f"{SPECIFICATION.name} says what florin.proto says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

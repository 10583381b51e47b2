"""Allocation guard: what a warm request makes the gateway's own code allocate. See `guards` for its use.

`count_allocations.c` is loaded into the gateway and counts every call that allocates, by its chain of callers, between two marks. A
call is a library's own when OpenSSL or nghttp2 made it; everything else is ours, Swift's runtime and what we ask of libc included.
"""

import bisect
import mmap
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fixture import HERE

DEPTH, SLOTS, HEADER_WORDS = 28, 8192, 2
SLOT_WORDS = 4 + DEPTH
LIBRARIES = re.compile(r"lib(ssl|crypto|nghttp2)\.")
# What is called on somebody's behalf: the next caller tells whose.
GO_BETWEENS = re.compile(r"lib(c|stdc\+\+|gcc_s|m)\.|ld-linux")


def interposer(directory):
    """Builds the counter and gives its path."""
    library = Path(directory) / "count_allocations.so"
    compiler = shutil.which("cc") or "clang"  # the latter comes with Swift
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, HERE / "count_allocations.c"], check=True)
    return library


@dataclass(frozen=True)
class Chain:
    """Callers, innermost first, as (object, address in it), and how often they allocated on one thread."""

    thread: int
    calls: int
    size: int
    callers: tuple

    @property
    def owner(self):
        return next((name for name, _ in self.callers if not GO_BETWEENS.match(name)), "?")

    @property
    def is_ours(self):
        return not LIBRARIES.match(self.owner)


class AllocationCounter:
    """The file that the gateway counts into; `environment` makes it do so."""

    def __init__(self, directory):
        self.path = Path(directory) / "allocations"
        with open(self.path, "w+b") as file:
            file.truncate(8 * (HEADER_WORDS + SLOTS * SLOT_WORDS))
            self.memory = mmap.mmap(file.fileno(), 0)
        self.environment = {"LD_PRELOAD": str(interposer(directory)), "ALLOCATIONS": str(self.path)}

    def start(self):
        self.memory[16:] = bytes(len(self.memory) - 16)
        struct.pack_into("=QQ", self.memory, 0, 1, 0)

    def stop(self, pid):
        """Ends the count and gives its chains. The process still has to be there: its map of memory says what an address is."""
        struct.pack_into("=Q", self.memory, 0, 0)
        lost = struct.unpack_from("=Q", self.memory, 8)[0]
        assert lost == 0, f"{lost} allocations found no place in the table"
        objects = Objects(pid)
        chains = []
        for slot in range(SLOTS):
            used, calls, size, thread, *callers = struct.unpack_from(
                f"={SLOT_WORDS}Q", self.memory, 8 * (HEADER_WORDS + slot * SLOT_WORDS)
            )
            if used:
                chains.append(Chain(thread, calls, size, tuple(objects.place(address) for address in callers if address)))
        return chains


class Objects:
    """Which file each piece of a process's memory comes from."""

    def __init__(self, pid):
        self.starts, self.pieces = [], []
        bases = {}
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            path = fields[5] if len(fields) > 5 else "?"
            bases.setdefault(path, start)
            self.starts.append(start)
            self.pieces.append((end, Path(path).name, bases[path]))

    def place(self, address):
        """The object and the offset from where it is loaded; a return address is taken for the call before it."""
        index = bisect.bisect(self.starts, address) - 1
        end, name, base = self.pieces[index]
        return (name, address - base - 1) if index >= 0 and address < end else ("?", address)


class Symbols:
    """Names of the functions of one binary, Swift's made readable."""

    def __init__(self, binary):
        lines = subprocess.run(
            ["nm", "--defined-only", "--numeric-sort", binary], capture_output=True, text=True, check=True
        ).stdout
        pairs = [
            (int(fields[0], 16), fields[2])
            for fields in (line.split() for line in lines.splitlines())
            if len(fields) == 3 and fields[1] in "tTwW"
        ]
        self.addresses, self.names = [a for a, _ in pairs], [n for _, n in pairs]

    def name(self, offset):
        index = bisect.bisect(self.addresses, offset) - 1
        return self.names[index] if index >= 0 else hex(offset)


def readable(names):
    """The same names in words."""
    out = subprocess.run(["swift", "demangle", "--compact"], input="\n".join(names), capture_output=True, text=True)
    return out.stdout.splitlines() if out.returncode == 0 else list(names)


def explained(chains, binary, requests, depth=7):
    """The chains, the most frequent first, with names."""
    symbols = Symbols(binary)
    lines = []
    for chain in sorted(chains, key=lambda chain: -chain.calls):
        names = [symbols.name(offset) if name == binary.name else f"{name}+{offset:#x}" for name, offset in chain.callers]
        lines.append(f"{chain.calls / requests:.3f} a request ({chain.calls} calls, {chain.size} bytes, thread {chain.thread}):")
        lines += [f"    {name:.110}" for name in readable(names)[:depth]]
    return "\n".join(lines)

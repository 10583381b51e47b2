"""A strict reader of the Prometheus text format, version 0.0.4."""
import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)(?: (-?\d+))?")


@dataclass
class Sample:
    name: str
    labels: dict
    value: float


@dataclass
class Exposition:
    types: dict = field(default_factory=dict)
    helps: dict = field(default_factory=dict)
    samples: list = field(default_factory=list)


def _labels(text):
    labels, rest = {}, text
    while rest:
        match = _LABEL.match(rest)
        assert match, f"not a label: {rest!r}"
        assert match.group(1) not in labels, f"label twice: {text!r}"
        labels[match.group(1)] = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), match.group(2))
        rest = rest[match.end():]
    return labels


def family(name, types):
    """The family a sample belongs to: histograms and summaries have suffixed samples."""
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and types.get(name[:-len(suffix)]) in ("histogram", "summary"):
            return name[:-len(suffix)]
    return name


def parse(text):
    """Reads an exposition; an assertion names the line that breaks the format."""
    assert text.endswith("\n"), "the last line has no end"
    result, seen, closed, current = Exposition(), set(), set(), None
    for line in text[:-1].split("\n"):
        if not line:
            continue
        if match := re.fullmatch(rf"# (HELP|TYPE) ({_NAME})(?: (.*))?", line):
            kind, name, value = match.groups()
            table = result.helps if kind == "HELP" else result.types
            assert name not in table, f"{kind} twice: {line!r}"
            if kind == "TYPE":
                assert value in ("counter", "gauge", "histogram", "summary", "untyped"), line
            table[name] = value
            owner = name
        elif line.startswith("#"):
            continue
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            sample = Sample(match.group(1), _labels(match.group(2) or ""), float(match.group(3)))
            identity = (sample.name, tuple(sorted(sample.labels.items())))
            assert identity not in seen, f"sample twice: {line!r}"
            seen.add(identity)
            result.samples.append(sample)
            owner = family(sample.name, result.types)
            assert owner in result.types, f"no TYPE before {line!r}"
        if owner != current:
            assert owner not in closed, f"the lines of {owner} do not stand together"
            if current:
                closed.add(current)
            current = owner
    return result

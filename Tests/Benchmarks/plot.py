"""The run as one picture: bars where peers are compared, lines where something grows. SVG, written by hand."""

import math
from html import escape

COLORS = {"gatehouse": "#d9480f", "nginx": "#868e96", "nghttpx": "#adb5bd", "haproxy": "#4263eb", "envoy": "#ae3ec9"}
WIDTH, HEIGHT, PANEL_WIDTH, PANEL_HEIGHT = 1180, 0, 560, 250
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 14, 40

# Panels: work, which variants, what is drawn, title.
BARS = (
    ("hot", None, "cpu", "hot: CPU µs a request"),
    ("h2", None, "cpu", "h2: CPU µs a request, by what goes upstream"),
    ("cold", None, "cpu", "cold: CPU µs a request, by signature"),
    ("handshake", None, "cpu", "handshake: CPU µs each"),
    ("idle", None, "resident_each", "idle: KiB a TLS connection"),
    ("workers", None, "cpu", "workers: CPU µs a request"),
)
LINES = (
    ("routes", "", "cpu", "routes: CPU µs a request"),
    ("tokens", "", "cpu", "tokens drawn at random: CPU µs a request"),
    ("bodies", "down ", "throughput", "content down: MiB a second of CPU"),
    ("bodies", "up ", "throughput", "content up: MiB a second of CPU"),
)


def nice(most):
    """The end of an axis that holds `most`, and its step."""
    step = 10 ** math.floor(math.log10(most)) if most > 0 else 1
    step = next(s for s in (step / 4, step / 2, step, 2 * step) if most / s <= 6)
    return step * math.ceil(most / step), step


def text(x, y, content, anchor="middle", size=11, color="#343a40", weight="normal"):
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{color}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(str(content))}</text>'


def frame(title, most):
    """A panel's title and axis, and where a value stands on it."""
    top, step = nice(most)
    height = PANEL_HEIGHT - TOP - BOTTOM
    parts = [text(LEFT - 44, 18, title, "start", 13, weight="bold")]
    for index in range(round(top / step) + 1):
        y = TOP + height - height * index * step / top
        parts.append(f'<line x1="{LEFT}" x2="{PANEL_WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dee2e6"/>')
        parts.append(text(LEFT - 6, y + 4, f"{index * step:,.10g}", "end", 10, "#868e96"))
    return parts, lambda value: TOP + height - height * value / top


def shown(variant):
    return f"{int(variant):,}" if variant.isdigit() else variant


def bars(rows, key, title):
    parts, at = frame(title, max(row[key] for row in rows))
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    slots = len(rows) + len(variants) - 1
    width = min(64, (PANEL_WIDTH - LEFT - RIGHT) / max(4, slots))
    x, floor = LEFT + 8, PANEL_HEIGHT - BOTTOM
    for variant in variants:
        group = [row for row in rows if row["variant"] == variant]
        if variant:
            parts.append(text(x + len(group) * width / 2, floor + 32, shown(variant)))
        for row in group:
            y = at(row[key])
            parts.append(
                f'<rect x="{x + 2:.1f}" y="{y:.1f}" width="{width - 4:.1f}" height="{floor - y:.1f}" fill="{COLORS[row["peer"]]}"/>'
            )
            parts.append(text(x + width / 2, y - 4, f"{row[key]:,.0f}" if row[key] >= 20 else f"{row[key]:.1f}", size=10))
            parts.append(text(x + width / 2, floor + 14, row["peer"], size=9, color="#868e96"))
            x += width
        x += width / 2
    return parts


def lines(rows, key, title):
    parts, at = frame(title, max(row[key] for row in rows))
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    step = (PANEL_WIDTH - LEFT - RIGHT - 60) / max(1, len(variants) - 1)
    place = {variant: LEFT + 30 + index * step for index, variant in enumerate(variants)}
    for variant in variants:
        parts.append(text(place[variant], PANEL_HEIGHT - BOTTOM + 16, shown(variant.split(" ", 1)[-1]), size=10))
    for peer in dict.fromkeys(row["peer"] for row in rows):
        points = [(place[row["variant"]], at(row[key]), row[key]) for row in rows if row["peer"] == peer]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[peer]}" stroke-width="2"/>')
        for x, y, value in points:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLORS[peer]}"/>')
            parts.append(text(x, y - 7 if peer == "gatehouse" else y + 15, f"{value:,.0f}", size=10, color=COLORS[peer]))
    return parts


def plot(results, about):
    panels = []
    for work, _, key, title in BARS:
        if rows := [row for row in results.get(work, ()) if key in row]:
            panels.append(bars(rows, key, title))
    for work, prefix, key, title in LINES:
        if rows := [row for row in results.get(work, ()) if key in row and row["variant"].startswith(prefix)]:
            panels.append(lines(rows, key, title))
    height = 84 + PANEL_HEIGHT * math.ceil(len(panels) / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(18, 26, "Gatehouse beside proxies that check less", "start", 17, weight="bold"),
        text(18, 45, f"{about['machine']}, {about['kernel']}, {about['date']}, commit {about['commit']}", "start", 11, "#868e96"),
    ]
    x = 18
    for peer in (peer for peer in COLORS if peer in about):
        parts.append(f'<rect x="{x}" y="55" width="11" height="11" fill="{COLORS[peer]}"/>')
        words = about[peer].rsplit("(", 1)[-1].rstrip(")")
        label = f"{peer}: {words}"
        parts.append(text(x + 16, 65, label, "start"))
        x += 30 + int(6.0 * len(label))
    for index, panel in enumerate(panels):
        parts += [
            f'<g transform="translate({10 + index % 2 * (PANEL_WIDTH + 30)},{80 + index // 2 * PANEL_HEIGHT})">',
            *panel,
            "</g>",
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"

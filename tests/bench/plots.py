"""Plots as SVG, by hand: axes with names and units, readable on light and dark pages."""

from html import escape
from math import ceil, floor, log10

INK, FAINT, PAPER = "#1f2328", "#d0d7de", "#ffffff"
COLOURS = ["#8b1a1a", "#2f6f9f", "#b8860b", "#3a7d44", "#6b4c9a", "#57606a", "#c2703d", "#9aa4ae"]
FONT = 'font-family="Helvetica, Arial, sans-serif"'


class Picture:
    """A white sheet with a title, and shapes on it."""

    def __init__(self, width, height, title):
        self.width, self.height = width, height
        self.shapes = [f"<title>{escape(title)}</title>",
                       f'<rect width="{width}" height="{height}" fill="{PAPER}"/>']
        self.text(width / 2, 26, title, anchor="middle", size=16, weight="bold")

    def text(self, x, y, words, anchor="start", size=13, colour=INK, weight="normal", turn=None):
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{colour}" {FONT}{turned}>{escape(words)}</text>')

    def line(self, points, colour=INK, width=1.0):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                           f'stroke-width="{width}"/>')

    def dot(self, x, y, colour):
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def bar(self, x, y, width, height, colour):
        self.shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                           f'height="{height:.1f}" fill="{colour}"/>')

    def svg(self):
        inside = "\n".join(self.shapes)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}" role="img">\n{inside}\n</svg>\n')


def spaced(number):
    return f"{number:,.0f}".replace(",", " ")


def short(number):
    """A number for an axis: 100k rather than 100 000."""
    for least, letter in ((1e6, "M"), (1e3, "k")):
        if number >= least:
            return f"{number / least:g}{letter}"
    return f"{number:g}"


def steps_to(most, about=5):
    """Round numbers from 0 to at least `most`."""
    raw = most / about
    unit = 10 ** floor(log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw)
    return [step * number for number in range(ceil(most / step) + 1)]


def room(names):
    """What names need before their bars."""
    return 24 + 7 * max(len(name) for name in names)


def bars(title, rows, axis):
    """Horizontal bars: (name, value, colour), each with its number behind it."""
    left, right, top, each = room(name for name, _, _ in rows), 110, 46, 30
    height = top + each * len(rows) + 52
    picture = Picture(760, height, title)
    ticks = steps_to(max(value for _, value, _ in rows))
    scale = (picture.width - left - right) / ticks[-1]
    bottom = top + each * len(rows)
    for tick in ticks:
        x = left + tick * scale
        picture.line([(x, top), (x, bottom)], FAINT)
        picture.text(x, bottom + 18, short(tick), anchor="middle", size=12)
    for number, (name, value, colour) in enumerate(rows):
        y = top + each * number
        picture.text(left - 8, y + 20, name, anchor="end")
        picture.bar(left, y + 5, value * scale, each - 10, colour)
        picture.text(left + value * scale + 6, y + 20, spaced(value))
    picture.line([(left, top), (left, bottom)])
    picture.text(left + (picture.width - left - right) / 2, bottom + 40, axis, anchor="middle")
    return picture.svg()


def stacked(title, rows, axis):
    """Horizontal bars of several parts: (name, {part: value}, words behind it); a legend below."""
    parts = list(dict.fromkeys(part for _, of, _ in rows for part in of))
    left, right, top, each, line = room(name for name, _, _ in rows), 90, 46, 30, 22
    bottom = top + each * len(rows)
    picture = Picture(760, bottom + 64 + line * ceil(len(parts) / 2), title)
    ticks = steps_to(max(sum(of.values()) for _, of, _ in rows))
    scale = (picture.width - left - right) / ticks[-1]
    for tick in ticks:
        x = left + tick * scale
        picture.line([(x, top), (x, bottom)], FAINT)
        picture.text(x, bottom + 18, short(tick), anchor="middle", size=12)
    for number, (name, of, words) in enumerate(rows):
        y, x = top + each * number, left
        picture.text(left - 8, y + 20, name, anchor="end")
        for part, value in of.items():
            picture.bar(x, y + 5, value * scale, each - 10, COLOURS[parts.index(part) % len(COLOURS)])
            x += value * scale
        picture.text(x + 6, y + 20, words)
    picture.line([(left, top), (left, bottom)])
    picture.text(left + (picture.width - left - right) / 2, bottom + 40, axis, anchor="middle")
    for number, part in enumerate(parts):
        x, y = 60 + 350 * (number % 2), bottom + 60 + line * (number // 2)
        picture.bar(x, y - 10, 14, 14, COLOURS[number % len(COLOURS)])
        picture.text(x + 22, y + 2, part, size=12)
    return picture.svg()


def lines(title, series, x_axis, y_axis, x_ticks, log_x=False, log_y=False, x_names=None):
    """Lines with dots: {name: [(x, y), ...]}; a legend on the right."""
    left, right, top, bottom_room = 80, 210, 46, 62
    picture = Picture(760, 400, title)
    bottom, end = picture.height - bottom_room, picture.width - right
    values = [y for points in series.values() for _, y in points]
    if log_y:
        low, high = floor(log10(min(values))), ceil(log10(max(values)))
        high = max(high, low + 1)
        y_ticks = [factor * 10.0**power for power in range(low, high + 1) for factor in (1, 2, 5)]
        y_ticks = y_ticks[:-2]

        def place_y(y):
            return bottom - (log10(y) - low) / (high - low) * (bottom - top)
    else:
        y_ticks = steps_to(max(values))

        def place_y(y):
            return bottom - y / y_ticks[-1] * (bottom - top)
    first, last = x_ticks[0], x_ticks[-1]

    def place_x(x):
        if log_x:
            return left + 10 + (log10(x) - log10(first)) / (log10(last) - log10(first)) * (end - left - 20)
        return left + 10 + (x - first) / (last - first) * (end - left - 20)

    for tick in y_ticks:
        picture.line([(left, place_y(tick)), (end, place_y(tick))], FAINT)
        picture.text(left - 8, place_y(tick) + 4, short(tick), anchor="end", size=12)
    for number, tick in enumerate(x_ticks):
        picture.line([(place_x(tick), bottom), (place_x(tick), bottom + 5)])
        name = x_names[number] if x_names else short(tick)
        picture.text(place_x(tick), bottom + 20, name, anchor="middle", size=12)
    picture.line([(left, top), (left, bottom), (end, bottom)])
    picture.text((left + end) / 2, bottom + 46, x_axis, anchor="middle")
    picture.text(22, (top + bottom) / 2, y_axis, anchor="middle", turn=-90)
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [(place_x(x), place_y(y)) for x, y in points]
        picture.line(places, colour, 2.2)
        for x, y in places:
            picture.dot(x, y, colour)
        y = top + 14 + 24 * number
        picture.line([(end + 14, y - 4), (end + 36, y - 4)], colour, 2.2)
        picture.text(end + 42, y, name, size=12)
    return picture.svg()

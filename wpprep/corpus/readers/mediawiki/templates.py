# ruff: noqa: RUF001, RUF002 (ambiguous characters are intended)
"""Templates that print text within sentences: numbers, units, foreign words, quotations, symbols.

Templates cannot be expanded without their own pages. But about two hundred templates, in all languages, only
format their parameters or print them in a simple way; this module implements them. All others (infoboxes,
citations, notices) are not part of a sentence and are removed.

    {{convert|240|km|mi|adj=on}}   240 km            {{lang|fr|canal royal}}    canal royal
    {{formatnum:12000}}            12,000            {{nowrap|30 m}}            30 m
    {{val|1.5|e=6|u=Pa}}           1.5 × 10⁶ Pa      {{as of|2010|3}}           As of March 2010

This module does not compute values (the second unit of a conversion, a person's age).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping

Parameters = Mapping[str, str]  # "1", "2", ... and names to values, as prose
Handler = Callable[[Parameters], str]

_NUMBER = re.compile(r"[-+−]?[\d.,'\s]*\d[\d.,]*(?:[eE][-+]?\d+)?|\d*[¼½¾⅓⅔⅛⅜⅝⅞]|\d+(?:[+ ]\d+)?/+\d+")
_BETWEEN = {
    "-": "–", "–": "–", "to": " to ", "to(-)": " to ", "to about": " to about ", "and": " and ",
    "and(-)": " and ", "&": " and ", "or": " or ", "by": " by ", "x": " × ", "×": " × ", "xx": " × ",
    "*": " × ", "+/-": " ± ", "±": " ± ", "+": " + ", ",": ", ", ", or": ", or ", ", and": ", and ",
}  # fmt: skip
_UNITS = {
    "C": "°C", "F": "°F", "K": "K", "sqmi": "sq mi", "sqft": "sq ft", "sqin": "sq in", "sqyd": "sq yd",
    "cuft": "cu ft", "cuin": "cu in", "cumi": "cu mi", "cuyd": "cu yd", "acre": "acres", "mile": "miles",
    "miles": "miles", "foot": "feet", "inch": "inches", "USgal": "US gal", "impgal": "imp gal", "lbft": "lb·ft",
    "lb-ft": "lb·ft", "kn": "knots", "kph": "km/h", "LT": "long tons", "ST": "short tons", "MT": "t",
    "nmi": "nautical miles", "L": "L", "l": "L", "oz": "oz", "mi2": "sq mi", "ft2": "sq ft", "cc": "cc",
    "PD/sqmi": "/sq mi", "PD/km2": "/km²", "deg": "°", "µm": "µm", "um": "µm", "Nm": "N·m", "hp": "hp",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("0123456789+-−()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿ")
_POWER = re.compile(r"(?<=[A-Za-zµΩ])-?\d+\b")
_SEPARATORS = {
    "en": ",",
    "ja": ",",
    "zh": ",",
    "ko": ",",
    "it": ".",
    "de": ".",
    "es": ".",
    "nl": ".",
    "pt": ".",
}


def superscript(text: str) -> str:
    """Return digits and signs as superscript characters, so 10<sup>6</sup> is not 106; other text unchanged.

    >>> superscript("-6"), superscript("th")
    ('⁻⁶', 'th')
    """
    return text.translate(_SUPERSCRIPTS) if re.fullmatch(r"[\d+\-−()n]+", text) else text


def format_number(text: str, language: str) -> str:
    """Return a number with digits grouped in threes by the rules of a language; other text unchanged.

    >>> format_number("-12000.5", "en"), format_number("12000.5", "it")
    ('-12,000.5', '12.000,5')
    """
    found = re.fullmatch(r"([-−+]?)(\d+)(?:\.(\d+))?", text.strip())
    separator = _SEPARATORS.get(language)
    if not found or not separator:
        return text.strip()
    sign, whole, fraction = found.groups()
    point = "." if separator == "," else ","
    return sign + f"{int(whole):,}".replace(",", separator) + (point + fraction if fraction else "")


def convert(parameters: Parameters) -> str:
    """Return the input of a conversion as text: its numbers, ranges and units.

    >>> convert({"1": "240", "2": "km", "3": "mi"}), convert({"1": "3", "2": "to", "3": "5", "4": "km2"})
    ('240 km', '3 to 5 km²')
    >>> convert({"1": "6", "2": "ft", "3": "2", "4": "in", "5": "m"})
    '6 ft 2 in'
    """
    words, result, expects_unit = list(_positional(parameters)), "", False
    for i, word in enumerate(words):
        if not expects_unit and _NUMBER.fullmatch(word):
            result, expects_unit = result + word, True
        elif expects_unit and word in _BETWEEN and i + 1 < len(words):
            result, expects_unit = result + _BETWEEN[word], False
        elif expects_unit:
            result, expects_unit = f"{result} {unit(word)} ", False
        else:
            break
    return " ".join(result.replace(" °", "°" if "deg" in words else " °").split())


def unit(symbol: str) -> str:
    """Return the printed form of a unit code.

    >>> unit("km2"), unit("m/s2"), unit("sqmi")
    ('km²', 'm/s²', 'sq mi')
    """
    return _UNITS.get(symbol) or _POWER.sub(lambda power: superscript(power[0]), symbol)


def _value(parameters: Parameters) -> str:
    number, uncertainty = parameters.get("1", ""), parameters.get("2", "")
    if re.fullmatch(r"[-+−]?\d{5,}(\.\d+)?", number):
        number = format_number(number, "en")
    text = f"{number} ± {uncertainty}" if re.fullmatch(r"[\d.]+", uncertainty) else number + uncertainty
    if exponent := parameters.get("e"):
        text += f" × 10{superscript(exponent)}"
    ending = parameters.get("u") or parameters.get("ul") or ""
    return f"{text}{'' if ending in ('', '%', '°') else ' '}{unit(ending)}"


def _as_of(parameters: Parameters) -> str:
    words = list(_positional(parameters))
    if len(words) > 1 and words[1].isdecimal() and 1 <= int(words[1]) <= 12:
        words[1] = calendar.month_name[int(words[1])]
    start = "since" if parameters.get("since") == "y" else "as of"
    start = start if parameters.get("lc") == "y" else start.capitalize()
    return " ".join([parameters.get("alt") or start, *([] if parameters.get("alt") else reversed(words[:3]))])


def _fraction(parameters: Parameters) -> str:
    words = list(_positional(parameters))
    if len(words) == 1:
        return f"1/{words[0]}"
    return "/".join(words) if len(words) == 2 else f"{words[0]} {'/'.join(words[1:])}" if words else ""


def _foreign(parameters: Parameters) -> str:
    words = list(_positional(parameters))
    first, rest = words[:1], [word for word in words[1:3] if word]
    return "".join(first) + (f" ({', '.join(rest)})" if rest and first else ", ".join(rest))


def _positional(parameters: Parameters) -> list[str]:
    count = 0
    while str(count + 1) in parameters:
        count += 1
    return [parameters[str(i + 1)] for i in range(count)]


def _nth(n: int, *names: str) -> Handler:
    """Return a handler that prints one parameter, the first non-empty one of ``names`` and number ``n``."""
    return lambda p: next((p[name] for name in (*names, str(n)) if p.get(name)), "")


def _sign(text: str) -> Handler:
    return lambda _: text


def _before(sign: str) -> Handler:
    return lambda p: sign + p["1"] if p.get("1") else ""


def _joined(separator: str) -> Handler:
    return lambda p: separator.join(_positional(p))


def _table(rows: Mapping[str, Handler]) -> dict[str, Handler]:
    return {
        " ".join(name.split()): handler for names, handler in rows.items() for name in re.split(r"\s/\s", names)
    }


_SHOWS_FIRST = """
    nowrap / nobr / nowr / nobreak / nobold / noitalic / noitalics / small / smaller / big / larger
    / large / resize-text / sc / smallcaps / smallcaps all / sm / sc2 / maiuscoletto / em / strong /
    bold / italic / mono / code / kbd / var / tt / samp / nospell / notatypo / not a typo /
    proper name / visible anchor / vanchor / abbr / abbreviation / abbrev / tooltip / abbrlink / ta
    / testo adattabile / tutto attaccato / math / mvar / bigmath / chem2 / su / underline / u / s /
    strikethrough / lien / ill / interlanguage link / link-interwiki / hs / q / nq /
    interlanguage link multi / flag / flagu / flagcountry / angbr / nastro / keypress / key press /
    key / button / menu / unicode / polytonic / grec ancien / hebrew / arab / rp / year / abbr. /
    percentage / ruby / ruby-ja / ruby-zh-p / 読み仮名 / sub / ordinal / railgauge / track gauge /
    citazione necessaria / senza fonte / chiarire / cn / citation needed span / cnspan /
    clarify span / text / text size
"""
_SHOWS_QUOTATION = """
    quote / blockquote / cquote / quotation / bq / rquote / quote box / quotebox / citazione /
    citation bloc / cita / zitat / цитата / citação / citat / poemquote / poem quote / poem
"""
_MUSIC = {"flat": "♭", "sharp": "♯", "natural": "♮"}

HANDLERS = _table(
    {
        _SHOWS_FIRST: _nth(1, "lt", "text"),
        _SHOWS_QUOTATION: _nth(1, "text", "quote", "texte", "texto"),
        "lang / langx / langue / wikt-lang / rtl-lang / script / idioma": _nth(2, "text", "testo"),
        "color / colore / font color / text color": _nth(2),
        "convert / cvt / conversion / convertir": convert,
        "val / physical constant": _value,
        "m / misura": lambda p: (
            f"{p.get('1', '')} {unit(p.get('u') or p.get('ul') or p.get('3') or p.get('2', ''))}"
        ),
        "unité / unidad / unité/2": lambda p: f"{p.get('1', '')} {unit(p.get('2', ''))}",
        "formatnum / nts / num / nombre / numero / число": _nth(1),
        "frac / fraction / sfrac / mfrac / frazione": _fraction,
        "e / esp / ee": lambda p: f" × 10{superscript(p.get('1', ''))}",
        "exp": lambda p: f"{p.get('1', '')} × 10{superscript(p.get('2', ''))}",
        "10^": lambda p: f"10{superscript(p.get('1', ''))}",
        "sup": lambda p: superscript(p.get("1", "")),
        "as of / asof": _as_of,
        "circa / c. / ca / ca. / c": lambda p: " – ".join([f"c. {p.get('1', '')}", *_positional(p)[1:2]]),
        "floruit / fl. / fl": lambda p: f"fl. {'–'.join(_positional(p))}",
        "oldstyledate": lambda p: "{} [O.S. {}] {}".format(*(p.get(name, "") for name in "132")),
        "gaps / chem / linktext / hsp / sic": _joined(""),
        "bibleref / bibleverse / passo biblico / ship / navire": lambda p: " ".join(
            filter(None, _positional(p)[:2])
        ),
        "nuclide2": lambda p: "-".join(_positional(p)[:2]),
        "transl / transliteration / xlit / translittération": lambda p: (_positional(p) or [""])[-1],
        "nihongo / korean / nihongo4 / nihongo2": _foreign,
        "angle bracket": lambda p: f"⟨{p.get('1', '')}⟩",
        '" / „ / « / angol / citation / guillemets': lambda p: f"“{p['1']}”" if p.get("1") else "",
        "sclass / sclass2 / sclass-": lambda p: "{}-class {}".format(*[*_positional(p), "", ""][:2]),
        "music": lambda p: _MUSIC.get(p.get("1", ""), ""),
        "us$ / usd": _before("US$"),
        "us dollar / $": _before("$"),
        "a$ / aud": _before("A$"),
        "c$ / cad / can$": _before("C$"),
        "£ / gbp": _before("£"),
        "€ / eur / euro": _before("€"),
        "¥ / jpy / yen": _before("¥"),
        "inr / indian rupee / ₹": _before("₹"),
        "nbsp / space / spaces / nbs / thinsp / thin space / hair space / hairsp / ensp / emsp / spazio": _sign(
            " "
        ),
        "ndash / – / en dash / nsndns": _sign("–"),
        "mdash / — / em dash / nsmdns": _sign("—"),
        "spaced ndash / snd / spnd / snds / spndash / spaced en dash": _sign(" – "),
        "spaced mdash / smd / spaced em dash / mdashb": _sign(" — "),
        "' / okina / ayin / hamza / apostrophe": _sign("'"),
        "'s": _sign("'s"),
        "' \"": _sign("'\""),
        "\" '": _sign("\"'"),
        '-"': _sign("'\""),
        "=": _sign("="),
        "!": _sign("|"),
        "· / dot / middot / • / bullet": _sign(" · "),
        "minus / −": _sign("−"),
        "times / ×": _sign("×"),
        "pm / ±": _sign("±"),
        "degrees / deg / °": _sign("°"),
        "permil / ‰": _sign("‰"),
        "eqm": _sign("⇌"),
        "m s.l.m.": _sign(" m s.l.m."),
    }
)
HANDLERS |= {
    prefix: _before(f"{prefix.upper()} ") for prefix in ("hms", "uss", "ss", "rms", "hmas", "hmcs", "ms", "mv")
}

_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "lc": str.lower,
    "uc": str.upper,
    "ucfirst": lambda text: text[:1].upper() + text[1:],
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "nowrap": str,
}


def find_handler(name: str, language: str) -> Handler | None:
    """Return the handler that prints a template; None if the template is removed.

    Args:
        name: template name as written, or a parser function and its argument (``formatnum:12000``).
        language: language code of the page.

    >>> find_handler("Nowrap", "en") is not None, find_handler("Infobox canal", "en")
    (True, None)
    """
    key = " ".join(name.replace("_", " ").split())
    if handler := HANDLERS.get(key.lower()):
        return handler
    function, colon, argument = key.partition(":")
    if colon and function.lower() == "formatnum":
        return lambda _: format_number(argument, language)
    if colon and (change := _FUNCTIONS.get(function.lower())):
        return lambda _: change(argument)
    if re.match(r"lang-[a-z]", key.lower()):
        return _nth(1)
    return None

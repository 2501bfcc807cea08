"""The stand-ins' one page for people: figures per system, and a switch."""

from typing import Any

# The process knows nothing of Django, so its few words stand here instead of in the catalogue.
WORDS = {
    "title": ("模拟的下游系统", "Stand-in systems"),
    "system": ("系统", "System"),
    "switch": ("开关", "Switch"),
    "received": ("收到", "Received"),
    "repeated": ("重复", "Repeated"),
    "turned_away": ("停机时拒收", "Turned away"),
    "disordered": ("乱序", "Out of order"),
    "on": ("运行中：点此停机", "On: switch off"),
    "off": ("已停机：点此恢复", "Off: switch on"),
    "hint": (
        "停掉一个系统，在后台改一张订单，再恢复：它会按版本顺序补齐全部变更。",
        "Switch a system off, change an order in the admin, switch it on again: "
        "it receives everything it missed, in order.",
    ),
    "warehouse": ("仓库现场", "On the warehouse floor"),
}
STAGES = {
    "waiting": ("待拣货", "waiting"),
    "picked": ("已拣货", "picked"),
    "shipped": ("已发出", "shipped"),
    "delivered": ("已签收", "delivered"),
    "stopped": ("已停止", "stopped"),
}
COLUMNS = ("received", "repeated", "turned_away", "disordered")
STYLE = """body{font:16px/1.6 system-ui,"Noto Sans CJK SC",sans-serif;margin:2rem auto;
max-width:52rem;padding:0 1rem;color:#1f2937;background:#f9fafb}
table{border-collapse:collapse;width:100%}
th,td{padding:.5rem .75rem;border-bottom:1px solid #e5e7eb;text-align:right}
th:first-child,td:first-child{text-align:left}button{font:inherit;padding:.35rem .8rem;
border:1px solid #9ca3af;border-radius:.4rem;background:#fff;cursor:pointer;min-height:2.75rem}
button.off{background:#fee2e2;border-color:#b91c1c;color:#7f1d1d}"""


def page(figures: dict[str, Any], *, is_chinese: bool) -> str:
    """The page as HTML."""
    which = 0 if is_chinese else 1

    def word(key: str) -> str:
        return WORDS[key][which]

    systems = {name: found for name, found in figures.items() if name != "warehouse"}
    head = "".join(f"<th>{word(key)}</th>" for key in ("system", "switch", *COLUMNS))
    rows = "".join(_row(name, found, word) for name, found in systems.items())
    floor = ""
    if warehouse := figures.get("warehouse"):
        counts = " · ".join(
            f"{STAGES[stage][which]} {warehouse['stages'].get(stage, 0)}" for stage in STAGES
        )
        floor = f"<h2>{word('warehouse')}</h2><p>{counts}</p>"
    return (
        f'<!doctype html><html lang="{"zh-Hans" if is_chinese else "en"}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{word('title')}</title><style>{STYLE}</style></head><body>"
        f"<h1>{word('title')}</h1><p>{word('hint')}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{floor}</body></html>"
    )


def _row(name: str, found: dict[str, Any], word: Any) -> str:
    is_on = found["on"]
    switch = (
        f'<form method="post" action="/control/{name}">'
        f'<button name="on" value="{"0" if is_on else "1"}" class="{"" if is_on else "off"}">'
        f"{word('on' if is_on else 'off')}</button></form>"
    )
    numbers = [found[key] if isinstance(found[key], int) else len(found[key]) for key in COLUMNS]
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    return f"<tr><td>{name.upper()}</td><td>{switch}</td>{cells}</tr>"

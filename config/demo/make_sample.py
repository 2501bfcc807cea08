"""Cuts the demo's sample of real orders out of the Online Retail data set.

Run `python -m config.demo.make_sample SOURCE_DIR`, where SOURCE_DIR holds
online_retail_2010_2011.csv.gz. docs/data.md says what is kept, and on what terms.
"""

import csv
import gzip
import io
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).with_name("data")
SOURCE = "online_retail_2010_2011.csv.gz"
COLUMNS = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
]

SEASON_FROM = "2011-07-01"
MOST_LINES = 12
MOST_UNITS = 2_000
# A price further than this from the SKU's usual one was agreed by hand, not by the list.
WIDEST_PRICE_GAP = Decimal(5)
NOT_GOODS = {"23444"}  # Next Day Carriage

Row = dict[str, str]
Invoice = list[Row]


def read_invoices(path: Path) -> list[Invoice]:
    """All invoices with a customer, in the file's order."""
    invoices: dict[str, Invoice] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["CustomerID"]:
                invoices.setdefault(row["InvoiceNo"], []).append(row)
    return list(invoices.values())


def is_goods(row: Row) -> bool:
    return bool(re.match(r"\d{5}", row["StockCode"])) and row["StockCode"] not in NOT_GOODS


def is_whole_order(invoice: Invoice) -> bool:
    """Whether every line of the invoice is a plain sale of goods, each SKU once."""
    return (
        invoice[0]["InvoiceNo"].isdigit()
        and invoice[0]["InvoiceDate"] >= SEASON_FROM
        and len(invoice) <= MOST_LINES
        and len({row["StockCode"] for row in invoice}) == len(invoice)
        and all(
            is_goods(row)
            and row["Description"].strip()
            and 0 < int(row["Quantity"]) <= MOST_UNITS
            and Decimal(row["UnitPrice"]) > 0
            for row in invoice
        )
    )


def usual_prices(invoices: Iterable[Invoice]) -> dict[str, Decimal]:
    """The price most often paid for each SKU; the highest of several."""
    seen: dict[str, Counter[Decimal]] = defaultdict(Counter)
    for invoice in invoices:
        for row in invoice:
            seen[row["StockCode"]][Decimal(row["UnitPrice"])] += 1
    return {sku: max(prices, key=lambda p: (prices[p], p)) for sku, prices in seen.items()}


def has_usual_prices(invoice: Invoice, usual: dict[str, Decimal]) -> bool:
    return all(
        abs(Decimal(row["UnitPrice"]) - usual[row["StockCode"]]) < WIDEST_PRICE_GAP
        for row in invoice
    )


def write_rows(name: str, rows: Iterable[Row]) -> int:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {"Description": " ".join(row["Description"].split())})
    packed = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    (HERE / name).write_bytes(packed)
    return len(packed)


def write_lists() -> None:
    """The list entries that the abnormal orders need, for whoever loads the sample by hand."""
    from config.demo.sample import load_lists

    text = json.dumps(load_lists(), ensure_ascii=False, indent=1)
    (HERE / "lists.json").write_text(text + "\n", encoding="utf-8")


def main(source: Path) -> None:
    invoices = read_invoices(source / SOURCE)
    orders = [invoice for invoice in invoices if is_whole_order(invoice)]
    usual = usual_prices(orders)
    orders = [invoice for invoice in orders if has_usual_prices(invoice, usual)]
    orders.sort(key=lambda invoice: (invoice[0]["InvoiceDate"], invoice[0]["InvoiceNo"]))
    customers = {invoice[0]["CustomerID"] for invoice in orders}
    returns = [
        row
        for invoice in invoices
        if invoice[0]["InvoiceNo"].startswith("C") and invoice[0]["CustomerID"] in customers
        for row in invoice
        if is_goods(row) and int(row["Quantity"]) < 0
    ]
    size = write_rows("online_retail_sample.csv.gz", (row for order in orders for row in order))
    size += write_rows("returns_sample.csv.gz", returns)
    write_lists()
    lines = sum(map(len, orders))
    print(f"{len(orders)} orders, {lines} lines, {len(returns)} returned lines, {size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Tables of docs/http.md."""

from tables.common import percent, record, source, table

LOADS = {
    "malformed": "malformed requests, one after the other",
    "slow": "8 readers that do not read, 16 senders of one byte at a time",
    "connections": "200 idle connections, opened again whenever they are closed",
    "pages": "8 pages",
}


def http_cost() -> str:
    """Memory and processor time of the HTTP server."""
    result, measured = record("http")
    memory, processor = result["memory_mb"], result["processor"]
    largest = max(load["rss_mb"] for load in result["rates"].values())
    rows = [
        ["resident memory without the server", f"{memory['without']:.1f} MB"],
        ["resident memory while it listens", f"{memory['listening']:.1f} MB"],
        ["the largest during the loads above", f"{largest:.1f} MB"],
        ["its thread, without requests", f"{processor['nobody_percent']:.2f} % of a core"],
        ["its thread, for one page", f"{processor['page_percent']:.2f} % of a core"],
        ["one scrape of the metrics", f"{processor['scrape_ms']:.2f} ms"],
        ["one malformed request, with its connection", f"{processor['malformed_us'] / 1e3:.2f} ms"],
    ]
    return "\n\n".join([table(["", "measured"], rows), source(measured)])


def http_load() -> str:
    """The rate of sensing under load, compared with quiet."""
    result, _ = record("http")
    rows = []
    for name, words in LOADS.items():
        load = result["rates"][name]
        if name == "malformed":
            words = f"{load['requests']:,} {words}"
        rates = [f"{load['quiet_fps']:.0f}", f"{load['fps']:.0f}"]
        rows.append([words, *rates, percent(load["ratio"]), percent(load["cost_ratio"])])
    head = ["load", "frames a second before", "during", "ratio", "processor time of a frame, ratio"]
    return table(head, rows)


TABLES = [http_cost, http_load]

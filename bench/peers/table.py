"""Medians, the best way of each peer, and the table of ratios."""

import statistics

PEERS = ["PyTorch", "onnxruntime", "OpenVINO", "ncnn", "Burn"]


def summary(work, measurements):
    """The median of each program, and allcnn against each peer's best way: {"medians", "ratios"}."""
    medians = {
        name: statistics.median(result[work.quantity] for result in results)
        for name, results in measurements.items()
        if results
    }
    ratios, ours = {}, medians.get("allcnn")
    best = min if work.measures_memory else max
    for peer in PEERS:
        ways = {name: median for name, median in medians.items() if name.split()[0] == peer}
        if ways:
            way = best(ways, key=ways.get)
            ratios[peer] = {"best": way, "ratio": ours / ways[way] if ours else None}
    return {"medians": medians, "ratios": ratios}


def markdown(results):
    """One row a work: images/s (or MiB) of allcnn and of each peer's best way, and allcnn's as a multiple of it."""
    heading = ["work", "allcnn"]
    for peer in PEERS:
        heading += [peer, f"allcnn / {peer}"]
    rows = [heading, ["---"] * len(heading)]
    for result in results:
        unit = " MiB" if result["work"]["quantity"] == "peak_memory_mb" else ""
        medians = result["medians"]
        name = result["work"]["name"] + (f" ({result['cap']})" if result.get("cap") else "")
        row = [name, figure(medians["allcnn"]) + unit if "allcnn" in medians else "-"]
        for peer in PEERS:
            ratio = result["ratios"].get(peer)
            if ratio is None:
                row += ["-", "-"]
                continue
            way = ratio["best"].removeprefix(peer).strip()
            row.append(figure(medians[ratio["best"]]) + unit + (f" ({way})" if way else ""))
            row.append("-" if ratio["ratio"] is None else f"{ratio['ratio']:.2f}x")
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    lines = []
    for row in rows:
        fill = "-" if row[0] == "---" else " "
        lines.append("| " + " | ".join(cell.ljust(width, fill) for cell, width in zip(row, widths)) + " |")
    return "\n".join(lines)


def figure(value):
    """Three digits or more."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

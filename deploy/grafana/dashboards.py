#!/usr/bin/env python3
"""Writes Prony's Grafana dashboards into the folder `dashboards` beside this file.

    deploy/grafana/dashboards.py          writes them
    deploy/grafana/dashboards.py --check  fails where those that are there differ
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
# The version of the dashboards' JSON, as of Grafana 13.
SCHEMA_VERSION = 42
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Which requests a dashboard is about.
REQUESTS = 'model=~"$model", provider=~"$provider", region=~"$region", source=~"$source"'


def rate(metric, by="", own="", function="rate"):
    """The sum of a counter's growth a second; `own` are labels besides the variables."""
    labels = f"{own}, {REQUESTS}" if own else REQUESTS
    group = f" by ({by}) " if by else ""
    return f"sum{group}({function}({metric}{{{labels}}}[$__rate_interval]))"


def quantile(share, metric, by="", own=""):
    le = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(metric + '_bucket', le, own)})"


def ratio(above, below):
    return f"{above} / {below}"


DURATION = ("llm_request_duration_seconds", 'outcome="success"')
FIRST_TOKEN = ("llm_time_to_first_token_seconds", "")
PER_TOKEN = ("llm_time_per_output_token_seconds", "")
GAP = ("llm_inter_token_latency_seconds", "")


def quantiles(metric, own):
    """p50, p95 and p99 of a histogram, each a query with its legend."""
    shares = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")]
    return [(quantile(share, metric, own=own), legend) for share, legend in shares]


def error_rate(by=""):
    return ratio(rate("llm_request_errors_total", by), rate("llm_requests_total", by))


def cost_per_hour(by=""):
    return f"{rate('llm_cost_dollars_total', by)} * 3600"


def field(unit, custom=None, thresholds=None):
    steps = [{"color": "green", "value": None}]
    steps += [{"color": color, "value": value} for color, value in thresholds or []]
    return {
        "defaults": {
            "unit": unit,
            "color": {"mode": "thresholds" if thresholds else "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": steps},
            "custom": custom or {},
        },
        "overrides": [],
    }


def targets(queries, **more):
    return [
        {"refId": chr(65 + n), "datasource": SOURCE, "expr": expr, "legendFormat": legend, **more}
        for n, (expr, legend) in enumerate(queries)
    ]


def panel(kind, title, size, config, queries, options, description=""):
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": dict(zip("wh", size)),
        "fieldConfig": config,
        "targets": queries,
        "options": options,
    }


def graph(title, unit, queries, description="", width=12, stacked=False):
    custom = {
        "lineWidth": 1,
        "fillOpacity": 25 if stacked else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    config = field(unit, custom)
    return panel("timeseries", title, (width, 8), config, targets(queries), options, description)


def stat(title, unit, expr, thresholds=None, description=""):
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
    }
    config = field(unit, thresholds=thresholds)
    return panel("stat", title, (4, 4), config, targets([(expr, "")]), options, description)


def heatmap(title, metric, own, description=""):
    expr = rate(metric + "_bucket", "le", own)
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5,
                  "fill": "dark-orange", "reverse": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": False},
    }
    queries = targets([(expr, "{{le}}")], format="heatmap")
    return panel("heatmap", title, (12, 8), field("s"), queries, options, description)


def table(title, by, columns, description=""):
    """A row for each combination of the labels `by`, and a column a query, with its unit."""
    queries = targets([(expr, "") for _, _, expr in columns], format="table", instant=True)
    value = [f"Value #{target['refId']}" for target in queries]
    hidden = {"Time": True} | {f"Time {n + 1}": True for n in range(len(columns))}
    config = field("short")
    config["overrides"] = [
        {"matcher": {"id": "byName", "options": name},
         "properties": [{"id": "unit", "value": unit}, {"id": "displayName", "value": column}]}
        for name, (column, unit, _) in zip(value, columns)
    ]
    options = {"cellHeight": "sm", "showHeader": True}
    made = panel("table", title, (24, 9), config, queries, options, description)
    order = {name: n for n, name in enumerate([*by, *value])}
    organize = {"excludeByName": hidden, "indexByName": order, "renameByName": {}}
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": organize},
    ]
    return made


def variable(name, metric):
    return {
        "type": "query",
        "name": name,
        "label": name.replace("_", " "),
        "datasource": SOURCE,
        "query": {"query": f"label_values({metric}, {name})", "refId": "variable"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        # Also requests that have no such label.
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


DATASOURCE = {
    "type": "datasource",
    "name": "datasource",
    "label": "data source",
    "query": "prometheus",
    "refresh": 1,
}
OF_REQUESTS = [variable(name, "llm_requests_total")
               for name in ("model", "provider", "region", "source")]


def laid_out(panels):
    """The panels from left to right, in rows as wide as the page."""
    x = y = height = 0
    for number, one in enumerate(panels):
        place = one["gridPos"]
        if x + place["w"] > 24:
            x, y, height = 0, y + height, 0
        one["id"] = number + 1
        place |= {"x": x, "y": y}
        x, height = x + place["w"], max(height, place["h"])
    return panels


def dashboard(uid, title, description, variables, panels):
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["prony"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [DATASOURCE, *variables]},
        "annotations": {"list": [{
            "name": "Alerts",
            "datasource": SOURCE,
            "enable": True,
            "iconColor": "red",
            "target": {
                "refId": "Anno",
                "expr": 'ALERTS{alertstate="firing", severity=~"warning|critical"}',
                "range": True,
            },
            "titleFormat": "{{alertname}}",
            "textFormat": "{{model}} {{provider}}",
        }]},
        "links": [{"type": "dashboards", "title": "Prony", "tags": ["prony"], "asDropdown": False,
                   "icon": "external link", "includeVars": True, "keepTime": True,
                   "targetBlank": False, "tooltip": ""}],
        "panels": laid_out(panels),
    }


def performance():
    requests, errors = "llm_requests_total", "llm_request_errors_total"
    return dashboard(
        "prony-performance", "Prony: performance",
        "What users of the models see: latency, throughput, errors, cost.", OF_REQUESTS, [
            stat("Requests", "reqps", rate(requests)),
            stat("Failed", "percentunit", error_rate(), [("orange", 0.01), ("red", 0.05)]),
            stat("Latency, p95", "s", quantile(0.95, *DURATION[:1], own=DURATION[1]),
                 [("orange", 1), ("red", 2)], "To the answer's end, of requests that succeeded."),
            stat("First token, p95", "s", quantile(0.95, FIRST_TOKEN[0]),
                 [("orange", 0.5), ("red", 1)]),
            stat("In flight", "short", f"sum(llm_active_requests{{{REQUESTS}}})"),
            stat("Cost an hour", "currencyUSD", cost_per_hour(),
                 [("orange", 50), ("red", 100)]),
            graph("Requests, by model", "reqps",
                  [(rate(requests, "model"), "{{model}}")], stacked=True),
            graph("Failures, by kind", "reqps", [(rate(errors, "kind"), "{{kind}}")],
                  stacked=True),
            graph("Latency", "s", quantiles(*DURATION),
                  "To the answer's end, of requests that succeeded."),
            heatmap("Latencies", *DURATION),
            graph("Time to first token", "s", quantiles(*FIRST_TOKEN)),
            heatmap("Times to first token", *FIRST_TOKEN),
            graph("Time per output token", "s", quantiles(*PER_TOKEN),
                  "After the first token, a request's mean."),
            graph("Gaps between chunks", "s", quantiles(*GAP)),
            graph("Tokens", "short", [(rate("llm_tokens_total", "type"), "{{type}} a second")],
                  "Tokens a second; cached ones are among the input.", stacked=True),
            graph("Cost an hour, by model", "currencyUSD",
                  [(cost_per_hour("model"), "{{model}}")], stacked=True),
        ])


def comparison():
    by = ("model", "provider")
    labels = ", ".join(by)
    legend = "{{model}}, {{provider}}"
    cost = "llm_cost_dollars_total"
    return dashboard(
        "prony-comparison", "Prony: models and regions",
        "Models, providers and regions side by side.", OF_REQUESTS, [
            table("Models", by, [
                ("requests", "reqps", rate("llm_requests_total", labels)),
                ("failed", "percentunit", error_rate(labels)),
                ("latency p50", "s", quantile(0.5, DURATION[0], labels, DURATION[1])),
                ("latency p95", "s", quantile(0.95, DURATION[0], labels, DURATION[1])),
                ("first token p95", "s", quantile(0.95, FIRST_TOKEN[0], labels)),
                ("per token p50", "s", quantile(0.5, PER_TOKEN[0], labels)),
                ("output tokens", "short", rate("llm_tokens_total", labels, 'type="output"')),
                ("cost a request", "currencyUSD",
                 ratio(rate(cost, labels), rate("llm_requests_total", labels))),
            ], "Of the last few minutes."),
            graph("Latency, p95, by model", "s",
                  [(quantile(0.95, DURATION[0], labels, DURATION[1]), legend)]),
            graph("Time to first token, p95, by model", "s",
                  [(quantile(0.95, FIRST_TOKEN[0], labels), legend)]),
            graph("Latency, p95, by region", "s",
                  [(quantile(0.95, DURATION[0], "region, vantage_region", DURATION[1]),
                    "{{region}} seen from {{vantage_region}}")],
                  "Where the model is served, and where the observer stood."),
            graph("Failed, by region", "percentunit",
                  [(error_rate("region, vantage_region"),
                    "{{region}} seen from {{vantage_region}}")]),
            graph("Latency, p95, by scenario", "s",
                  [(quantile(0.95, DURATION[0], "scenario", DURATION[1]), "{{scenario}}")]),
            graph("Input tokens from the provider's cache", "percentunit",
                  [(ratio(rate("llm_cached_tokens_total", "model"),
                          rate("llm_tokens_total", "model", 'type="input"')), "{{model}}")]),
        ])


def itself():
    job = 'job=~"$job"'

    def total(metric):
        return f"sum(rate({metric}{{{job}}}[$__rate_interval]))"

    def largest(metric):
        return f"max by (instance) ({metric}{{{job}}})"

    lag = f"sum by (le) (rate(llm_schedule_lag_seconds_bucket{{{job}}}[$__rate_interval]))"
    troubles = [
        ("producers waited", "prony_intake_held_back_total"),
        ("keeping failed", "prony_keeper_failures_total"),
        ("live windows thinned", "prony_live_windows_thinned_total"),
        ("series merged", "prony_series_merged_total"),
    ]
    gpu = "{{gpu_name}} {{gpu}}"
    jobs = variable("job", "prony_records_kept_total")
    return dashboard(
        "prony-itself", "Prony: itself", "Whether Prony keeps up, and what it takes.", [jobs], [
            graph("Records kept", "ops", [(total("prony_records_kept_total"), "kept")]),
            graph("Records that wait to be kept", "short",
                  [(largest("prony_intake_records"), "{{instance}}")]),
            graph("Trouble", "ops", [(total(metric), legend) for legend, metric in troubles],
                  "None of these loses a record."),
            graph("Schedule lag", "s",
                  [(f"histogram_quantile({share}, {lag})", legend)
                   for share, legend in [(0.5, "p50"), (0.99, "p99")]],
                  "How much later than planned load tests started their requests."),
            graph("CPU", "percentunit",
                  [(f"max by (instance) (rate(process_cpu_seconds_total{{{job}}}"
                    "[$__rate_interval]))", "{{instance}}")], "1 is a whole core."),
            graph("Memory", "bytes",
                  [(largest("process_resident_memory_bytes"), "{{instance}} resident"),
                   (largest("prony_process_proportional_memory_bytes"), "{{instance}} Pss")]),
            graph("GPU, busy", "percentunit", [(f"prony_gpu_utilization_ratio{{{job}}}", gpu)]),
            graph("GPU, memory", "bytes", [(f"prony_gpu_memory_used_bytes{{{job}}}", gpu)]),
        ])


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    for made in (performance(), comparison(), itself()):
        path = FOLDER / f"{made['uid']}.json"
        text = json.dumps(made, indent=1) + "\n"
        if arguments:
            if path.read_text() != text:
                sys.exit(f"{path.name} is not what dashboards.py writes: run it")
        else:
            path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])

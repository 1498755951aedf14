"""tools/bench fleet: what clients notice when nodes, PoPs, routes and the store come and go: the lab
`anycast`, strongSwan clients whose echoes go on, each event so many times, medians and worst cases."""
import json
import statistics
import sys

from machine import describe, table

from lab.anycast import EVENTS, Stage, measure


def row_of(name, results):
    notices = [notice for _, each in results for notice in each]

    def both(values):
        values = list(values)
        return f"{statistics.median(values):.0f}", f"{max(values):.0f}"
    return [name, str(len(results)), str(sum(lost for lost, _ in results)),
            str(sum(notice.logins for notice in notices)),
            *both(notice.lost for notice in notices), *both(notice.gap_ms for notice in notices),
            *both(notice.first_ms for notice in notices)]


HEAD = ["event", "runs", "sessions lost", "IKE_SA_INIT", "echoes lost", "worst", "gap ms", "worst",
        "back after ms", "worst"]
KEYS = ["event", "runs", "sessions_lost", "logins", "echoes_lost", "echoes_lost_worst", "gap_ms",
        "gap_ms_worst", "back_ms", "back_ms_worst"]


def run(options):
    if not options.json:
        print(describe(), flush=True)
    stage = Stage()
    rows = []
    for name in options.event:
        results = []
        for number in range(options.rounds):
            stage.settle()
            results.append(measure(stage, EVENTS[name]))
            print(f"  {' '.join(row_of(name, results[-1:]))}", file=sys.stderr, flush=True)
        rows.append(row_of(name, results))
    if options.json:
        print(json.dumps([dict(zip(KEYS, row)) for row in rows]))
    else:
        table(HEAD, rows)

"""The ledger's benchmark runs, at a small size, and says what it promises to say."""

import json

from typer.testing import CliRunner

from symphony.cli.bench import bench


def test_the_bench_measures_everything_it_promises():
    done = CliRunner().invoke(bench, ["ledger", "--entries", "2000", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout.splitlines()[-1])
    for name in ("ingest_ratio", "append_ratio", "cold_start_s", "gossip_cpu_ms_per_entry"):
        assert report[name] > 0, name
    assert report["entries"] == 2000
    assert report["logs"] == 1000
    sync = report["sync_bytes"]
    assert set(sync) == {"1000/0", "1000/10", "1000/100", "10000/10"}
    assert sync["1000/0"] <= 500
    assert sync["1000/10"] <= 8_000
    assert sync["1000/100"] <= 45_000
    assert sync["10000/10"] <= 14_000

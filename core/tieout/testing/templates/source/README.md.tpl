# tieout-$name

A source connector for $title: movements and stock over its HTTP API.

```toml
[connections.warehouse]
id = "warehouse"
connector = "$name"
company = "main"
api_url = "https://api.$host"
token = "env:${env}_TOKEN"

[[connections.warehouse.streams]]
name = "moves"
mapping = "${plain}_moves.yaml"
```

What is where: `$module/source.py` is the connector, `$module/mappings/` its mapping files with their tests,
`tests/feed.jsonl` what the vendor sent, `tests/stub.py` a stand-in for the vendor, `tests/test_${name}_conformance.py` the
conformance kit. Run `python -m pytest`; every test is green before you change anything. Then put the real vendor's
addresses, names and rules in, one test at a time.

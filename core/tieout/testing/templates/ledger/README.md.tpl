# tieout-$name

A ledger connector for $title: journal entries over its HTTP API, each exactly once.

```toml
[connections.books]
id = "books"
connector = "$name"
company = "main"
api_url = "https://api.$host"
token = "env:${env}_TOKEN"
```

What is where: `$module/ledger.py` is the connector, `tests/stub.py` a stand-in for the vendor with books of its own,
`tests/test_${name}_conformance.py` the conformance kit. Run `python -m pytest`; every test is green before you change
anything. What the manifest declares is proven by the kit: declare only what the vendor keeps.

mapping: ${plain}_moves
version: "1"
stream: moves
record: one movement
skip:
  - when: {from: state, eq: deleted}
    reason: deleted at the vendor
events:
  - type: purchase.received
    when: {from: kind, eq: in}
    fields: {effective_at: at, document: number}
    lines:
      fields: {item: sku, quantity: quantity, location: site, unit: {const: each}, unit_price: price}
  - type: order.fulfilled
    when: {from: kind, eq: out}
    fields: {effective_at: at, document: number}
    lines:
      fields: {item: sku, quantity: quantity, location: site, unit: {const: each}}
tests:
  - name: goods that came in
    record: {number: M-1, changed: "2026-10-01T08:00:00+00:00", state: live, kind: in, at: "2026-10-01T08:00:00+00:00", sku: MUG, site: MAIN, quantity: 10, price: "5.10"}
    events:
      - type: purchase.received
        effective_at: 2026-10-01T08:00:00Z
        document: M-1
        lines: [{item: MUG, quantity: 10, location: MAIN}]
  - name: goods that went out
    record: {number: M-2, changed: "2026-10-02T08:00:00+00:00", state: live, kind: out, at: "2026-10-02T08:00:00+00:00", sku: MUG, site: MAIN, quantity: 2.5}
    events:
      - type: order.fulfilled
        document: M-2
        lines: [{item: MUG, quantity: 2.5, location: MAIN}]
  - name: a movement that was deleted
    record: {number: M-3, changed: "2026-10-02T08:00:00+00:00", state: deleted}
    skipped: deleted

"""What a query costs, by the model fitted to recorded figures, and the bucket it is paid from.

scalar 0 · object 1 · money, addresses, page info 0 · a count 10 · a page of n: 2 + f(n) x (1 + a node), f(n) = max(1, floor(2 ln n))
mutation 10 and what its answer selects · an interface: its own fields and the dearest branch
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

FREE: Final = frozenset({"MoneyBag", "MoneyV2", "LocationAddress", "PageInfo"})
MOST: Final = 1_000
PLANS: Final = {
    "standard": (2_000, 100),
    "advanced": (4_000, 200),
    "plus": (20_000, 1_000),
    "enterprise": (40_000, 2_000),
}


def factor(size: int) -> int:
    return max(1, math.floor(2 * math.log(size))) if size > 0 else 0


class Costs:
    """The price of one document."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ):
        self.schema = schema
        self.fragments = fragments
        self.variables = variables

    def of(self, operation: OperationDefinitionNode) -> int:
        root = self.schema.mutation_type if operation.operation == OperationType.MUTATION else self.schema.query_type
        if operation.operation != OperationType.MUTATION:
            return self._set(operation.selection_set, root)
        total = 0
        for field in operation.selection_set.selections:
            assert isinstance(field, FieldNode)
            payload: Any = get_named_type(root.fields[field.name.value].type)  # type: ignore[union-attr]
            total += 10
            for inner in field.selection_set.selections if field.selection_set else ():
                assert isinstance(inner, FieldNode)
                kind: Any = get_named_type(payload.fields[inner.name.value].type)
                if not is_leaf_type(kind) and not inner.name.value.lower().endswith("usererrors"):
                    assert inner.selection_set is not None
                    total += self._set(inner.selection_set, kind)
        return total

    def _set(self, chosen: SelectionSetNode, parent: Any) -> int:
        total = branch = 0
        for each in chosen.selections:
            if isinstance(each, FieldNode):
                total += self._field(each, parent)
                continue
            inner = self.fragments[each.name.value] if isinstance(each, FragmentSpreadNode) else each
            assert isinstance(inner, (FragmentDefinitionNode, InlineFragmentNode))
            target = self.schema.type_map[inner.type_condition.name.value] if inner.type_condition else parent
            cost = self._set(inner.selection_set, target)
            if is_abstract_type(parent) and target is not parent:
                branch = max(branch, cost)
            else:
                total += cost
        return total + branch

    def _field(self, field: FieldNode, parent: Any) -> int:
        name = field.name.value
        if name.startswith("__") or field.selection_set is None:
            return 0
        kind: Any = get_named_type(parent.fields[name].type)
        if not kind.name.endswith("Connection"):
            own = 0 if kind.name in FREE else 10 if kind.name == "Count" else 1
            return own + self._set(field.selection_set, kind)
        child = 0
        for inner in field.selection_set.selections:
            assert isinstance(inner, FieldNode)
            if inner.selection_set is None:
                continue
            of: Any = get_named_type(kind.fields[inner.name.value].type)
            if inner.name.value == "nodes":
                child += self._set(inner.selection_set, of)
            elif inner.name.value == "edges":
                node = next(
                    (s for s in inner.selection_set.selections if isinstance(s, FieldNode) and s.name.value == "node"),
                    None,
                )
                if node is not None and node.selection_set is not None:
                    child += self._set(node.selection_set, get_named_type(of.fields["node"].type))
        return 2 + factor(self._size(field)) * (1 + child)

    def _size(self, field: FieldNode) -> int:
        for argument in field.arguments or ():
            if argument.name.value in ("first", "last"):
                value = argument.value
                if isinstance(value, IntValueNode):
                    return int(value.value)
                if isinstance(value, VariableNode):
                    found = self.variables.get(value.name.value)
                    return int(found) if isinstance(found, int) else 0
        return 0


class Bucket:
    """Points that restore with time; one for each app and shop."""

    def __init__(self, plan: str, now: float) -> None:
        self.maximum, self.rate = PLANS[plan]
        self.held = float(self.maximum)
        self._at = now

    def take(self, cost: int, now: float) -> bool:
        self.held = min(float(self.maximum), self.held + max(0.0, now - self._at) * self.rate)
        self._at = now
        if cost > self.held:
            return False
        self.held -= cost
        return True

    def drain(self, now: float) -> None:
        """Another program of the same app took it all."""
        self.held, self._at = 0.0, now

    def give_back(self, points: int) -> None:
        self.held = min(float(self.maximum), self.held + points)

    def shown(self, requested: int, actual: int | None) -> dict[str, Any]:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.maximum,
                "currentlyAvailable": int(self.held),
                "restoreRate": self.rate,
            },
        }

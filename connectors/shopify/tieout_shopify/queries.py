"""Every document this connector sends, literal, for version 2026-10. `COSTS` is the highest cost Shopify may ask for each."""

from __future__ import annotations

from typing import Final

SHOP: Final = """
query TieoutShop {
  shop { id name myshopifyDomain currencyCode ianaTimezone taxesIncluded plan { publicDisplayName } }
  currentAppInstallation { accessScopes { handle } }
}
"""

LOCATIONS: Final = """
query TieoutLocations($first: Int!, $after: String) {
  locations(first: $first, after: $after, includeInactive: true, includeLegacy: true, sortKey: ID) {
    nodes { id legacyResourceId name isActive isFulfillmentService }
    pageInfo { hasNextPage endCursor }
  }
}
"""

CHANGED_ORDERS: Final = """
query TieoutChangedOrders($first: Int!, $after: String, $query: String!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { id updatedAt }
    pageInfo { hasNextPage endCursor }
  }
}
"""

ORDER: Final = """
query TieoutOrder($id: ID!, $lines: Int!, $linesAfter: String) {
  order(id: $id) {
    id name test createdAt processedAt updatedAt cancelledAt edited taxesIncluded currencyCode presentmentCurrencyCode
    sourceName displayFinancialStatus displayFulfillmentStatus
    totalPriceSet { ...Both }
    currentTotalPriceSet { ...Both }
    lineItems(first: $lines, after: $linesAfter) {
      nodes {
        id title sku quantity currentQuantity isGiftCard requiresShipping
        variant { id inventoryItem { id tracked sku } }
        lineItemGroup { id quantity variantSku }
        originalUnitPriceSet { ...Both }
        discountedTotalSet(withCodeDiscounts: true) { ...Both }
        taxLines(first: 10) { title channelLiable priceSet { ...Both } }
      }
      pageInfo { hasNextPage endCursor }
    }
    transactions(first: 250) {
      id kind status gateway test processedAt amountSet { ...Both }
    }
  }
}
fragment Both on MoneyBag { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
"""

ORDER_STOCK: Final = """
query TieoutOrderStock($id: ID!) {
  order(id: $id) {
    id updatedAt
    fulfillments(first: 250) {
      id name status createdAt updatedAt location { id }
      fulfillmentLineItems(first: 50) { nodes { id quantity lineItem { id } } pageInfo { hasNextPage endCursor } }
    }
    refunds(first: 250) {
      id createdAt processedAt return { id name }
      totalRefundedSet { ...Both }
      refundLineItems(first: 50) {
        nodes {
          id quantity restockType restocked location { id } lineItem { id }
          subtotalSet { ...Both } totalTaxSet { ...Both }
        }
        pageInfo { hasNextPage endCursor }
      }
      refundShippingLines(first: 10) {
        nodes { id subtotalAmountSet { ...Both } taxAmountSet { ...Both } }
        pageInfo { hasNextPage }
      }
      transactions(first: 20) {
        nodes { id kind status gateway amountSet { ...Both } }
        pageInfo { hasNextPage }
      }
    }
    returns(first: 10) {
      nodes {
        id name status
        reverseFulfillmentOrders(first: 5) {
          nodes {
            id
            lineItems(first: 20) {
              nodes {
                id fulfillmentLineItem { id lineItem { id } }
                dispositions { id type quantity createdAt location { id } }
              }
              pageInfo { hasNextPage endCursor }
            }
          }
          pageInfo { hasNextPage endCursor }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
fragment Both on MoneyBag { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
"""

ORDER_AGREEMENTS: Final = """
query TieoutOrderAgreements($id: ID!, $after: String) {
  order(id: $id) {
    id updatedAt
    agreements(first: 20, after: $after) {
      nodes {
        __typename id happenedAt reason
        ... on RefundAgreement { refund { id } }
        sales(first: 100) {
          nodes {
            __typename id actionType lineType quantity
            totalAmount { ...Both } totalTaxAmount { ...Both }
            ... on ProductSale { lineItem { id } }
            ... on GiftCardSale { lineItem { id } }
          }
          pageInfo { hasNextPage }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
fragment Both on MoneyBag { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
"""

# The first load. A bulk query takes no variables, so it asks for everything; what it may not contain is asked for by order.
BULK_ORDERS: Final = """
query TieoutBulkOrders {
  orders {
    edges {
      node {
        id name test createdAt processedAt updatedAt cancelledAt edited taxesIncluded currencyCode presentmentCurrencyCode
        sourceName displayFinancialStatus displayFulfillmentStatus returnStatus
        totalPriceSet { shopMoney { amount currencyCode } }
        currentTotalPriceSet { shopMoney { amount currencyCode } }
        fulfillments { id }
        refunds { id }
        transactions { id kind status gateway test processedAt amountSet { shopMoney { amount currencyCode } } }
        lineItems {
          edges {
            node {
              id title sku quantity currentQuantity isGiftCard requiresShipping
              variant { id inventoryItem { id tracked sku } }
              lineItemGroup { id quantity variantSku }
              originalUnitPriceSet { shopMoney { amount currencyCode } }
              discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount currencyCode } }
              taxLines { title channelLiable priceSet { shopMoney { amount currencyCode } } }
            }
          }
        }
      }
    }
  }
}
"""

BULK_START: Final = """
mutation TieoutBulkStart($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: false) {
    bulkOperation { id status createdAt }
    userErrors { code field message }
  }
}
"""

BULK_POLL: Final = """
query TieoutBulkPoll($id: ID!) {
  bulkOperation(id: $id) { id status errorCode createdAt objectCount url }
}
"""

FULFILLMENT_LINES: Final = """
query TieoutFulfillmentLines($id: ID!, $after: String) {
  fulfillment(id: $id) {
    id
    fulfillmentLineItems(first: 250, after: $after) {
      nodes { id quantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

REFUND_LINES: Final = """
query TieoutRefundLines($id: ID!, $after: String) {
  refund(id: $id) {
    id
    refundLineItems(first: 250, after: $after) {
      nodes {
        id quantity restockType restocked location { id } lineItem { id }
        subtotalSet { ...Both } totalTaxSet { ...Both }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
fragment Both on MoneyBag { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
"""

TRANSFERS: Final = """
query TieoutTransfers($first: Int!, $after: String, $query: String) {
  inventoryTransfers(first: $first, after: $after, query: $query, sortKey: ID) {
    nodes {
      id name referenceName status dateCreated
      origin { name location { id } }
      destination { name location { id } }
      shipments(first: 10) {
        nodes {
          id name status dateCreated dateShipped dateReceived
          lineItems(first: 50) {
            nodes { id quantity acceptedQuantity rejectedQuantity unreceivedQuantity inventoryItem { id sku } }
            pageInfo { hasNextPage endCursor }
          }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

ADJUSTMENTS: Final = """
query TieoutAdjustments($ql: String!) {
  shopifyqlQuery(query: $ql) {
    parseErrors
    tableData { columns { name dataType } rows }
  }
}
"""

ITEMS: Final = """
query TieoutItems($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on InventoryItem { id sku tracked unitCost { amount currencyCode } }
  }
}
"""

STOCK: Final = """
query TieoutStock($location: ID!, $first: Int!, $after: String) {
  location(id: $location) {
    id
    inventoryLevels(first: $first, after: $after, includeInactive: true) {
      nodes { id isActive item { id sku tracked } quantities(names: ["on_hand"]) { name quantity } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

PAYOUTS: Final = """
query TieoutPayouts($first: Int!, $after: String, $query: String) {
  shopifyPaymentsAccount {
    id
    payouts(first: $first, after: $after, query: $query, sortKey: ISSUED_AT) {
      nodes { id legacyResourceId issuedAt status transactionType net { amount currencyCode } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

PAYOUT_LINES: Final = """
query TieoutPayoutLines($first: Int!, $after: String, $query: String) {
  shopifyPaymentsAccount {
    id
    balanceTransactions(first: $first, after: $after, query: $query, sortKey: PROCESSED_AT, hideTransfers: true) {
      nodes {
        id type test transactionDate adjustmentReason
        amount { amount currencyCode } fee { amount currencyCode } net { amount currencyCode }
        associatedOrder { id name }
        associatedPayout { id status }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

# Upper bounds of requestedQueryCost at the page sizes used; what a call did not use is given back by the vendor.
COSTS: Final = {
    SHOP: 10,
    LOCATIONS: 25,
    CHANGED_ORDERS: 25,
    ORDER: 110,
    ORDER_STOCK: 620,
    ORDER_AGREEMENTS: 220,
    BULK_START: 15,
    BULK_POLL: 5,
    FULFILLMENT_LINES: 40,
    REFUND_LINES: 60,
    TRANSFERS: 600,
    ADJUSTMENTS: 300,
    ITEMS: 120,
    STOCK: 60,
    PAYOUTS: 40,
    PAYOUT_LINES: 60,
}

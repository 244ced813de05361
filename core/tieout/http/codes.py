"""Error codes of calls to vendors: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO6201": (
        "The vendor cannot be reached",
        "No connection came about, so nothing was sent.",
        "Nothing to do if it passes; else look at the network, the host name and the vendor's status page.",
    ),
    "TO6202": (
        "No whole answer came back",
        "The request was sent and the connection broke, or its time was over, before the answer was complete.",
        "A read is repeated. A write is looked up at the vendor before anything else is sent.",
    ),
    "TO6203": (
        "The answer does not say what happened",
        "A server fault, something that is not JSON, or an answer beyond its bound.",
        "A read is repeated. A write is looked up at the vendor before anything else is sent.",
    ),
    "TO6204": (
        "The vendor's limit is reached",
        "The vendor asks us to wait; the message says until when.",
        "Nothing to do: the work is put off until then.",
    ),
    "TO6205": (
        "The vendor refuses the grant",
        "The connection's consent has expired or was taken back.",
        "Run `tieout auth login CONNECTION`. Nothing is lost; the work goes on from where it was.",
    ),
    "TO6206": (
        "The vendor refuses the request",
        "A definite refusal with a reason; nothing took effect.",
        "Mend what the reason names.",
    ),
    "TO6207": (
        "Our budget at the vendor is used up",
        "Another call now would go beyond what the vendor allows this account.",
        "Nothing to do: the work is put off until the window is over.",
    ),
    "TO6208": (
        "The connection has no grant yet",
        "Nobody has connected this company to the vendor.",
        "Run `tieout auth login CONNECTION`.",
    ),
    "TO6209": (
        "The token endpoint gives no token now",
        "A passing fault, or an answer without a token.",
        "Nothing to do if it passes; the last grant is kept and tried again.",
    ),
    "TO6210": (
        "The client is not accepted",
        "The vendor does not know the client id and secret, or the connector asks in a wrong way.",
        "Compare client_id and client_secret with the app's settings at the vendor.",
    ),
    "TO6211": (
        "A line of a download is too long",
        "A bound that keeps memory flat was passed.",
        "Report it with the file's name.",
    ),
    "TO6212": (
        "The vendor redirects",
        "Redirects are not followed: they could lead a token to a stranger.",
        "Compare the configured address with the vendor's documentation.",
    ),
    "TO6213": (
        "A host that is not declared",
        "A connector reaches only the hosts of its manifest, over https.",
        "Mend the configured address, or the connector's manifest.",
    ),
    "TO6214": (
        "The vault cannot be opened",
        "Stored grants are sealed with a key that is missing or different now.",
        "Put the key file or the environment variable back, or run `tieout auth login CONNECTION` again.",
    ),
    "TO6220": (
        "The connection needs no consent",
        "Its connector works with secrets of the configuration, or fetches its tokens by itself.",
        "Nothing to do; `tieout doctor` tries the connection.",
    ),
    "TO6221": (
        "The vendor's answer does not fit the question",
        "The state is another one, more than ten minutes have passed, or the address holds no code.",
        "Run `tieout auth login CONNECTION` again and use the page it prints.",
    ),
    "TO6222": (
        "Consent for another company",
        "The person chose another company at the vendor than the connection is configured for.",
        "Choose the right company, or correct the connection.",
    ),
}

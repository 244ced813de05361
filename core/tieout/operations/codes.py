"""Error codes of the operations: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO1062": (
        "No such schedule",
        "A command names a schedule that the configuration does not have, or more than one fits, or it is not paused.",
        "`tieout schedule list` shows them; the end of a name is enough where only one has it.",
    ),
    "TO1063": (
        "No such month or connection",
        "`tieout sla` was asked for a month it cannot read, or for a connection without streams.",
        "Write the month as 2026-03; `tieout config show` lists the connections.",
    ),
    "TO1064": ("No such alert", "No alert has this number.", "`tieout alerts list --all` shows them."),
    "TO1065": (
        "A notice cannot be sent as configured",
        "A way of `[notify]` is not safe or not complete: unencrypted mail, a plain address, a secret that is no secret.",
        "Mend the setting the message names.",
    ),
    "TO2301": (
        "A second person has to apply it",
        "The plan moves more than `approval_threshold`, so who made it cannot apply it.",
        "Let another person run `tieout apply FILE` (with their own `--actor`).",
    ),
    "TO2302": (
        "Something waits to be posted first",
        "Records have landed, or rules were changed, that are not in the books yet; they would be mixed up with the plan.",
        "Run `tieout run`, then plan again.",
    ),
    "TO2303": (
        "A plan nobody made here",
        "The plan is not among those this database wrote down: the file was changed, or belongs to another project.",
        "Make a new one: `tieout mapping reapply STREAM --out FILE`.",
    ),
    "TO2304": (
        "Nothing to map again",
        "The stream is unknown, has no mapping, or its records were made by people here.",
        "`tieout config show` lists the streams.",
    ),
    "TO9011": (
        "A posting rule that does not fit",
        "A plugin offers a posting rule for an unknown event type or one that moves units, or cannot say its rules.",
        "Upgrade or uninstall the plugin.",
    ),
    "TO9012": (
        "A posting rule failed",
        "A plugin's posting rule raised an error, or answered flows that cannot be posted. The event is held.",
        "Upgrade or uninstall the plugin, then `tieout exceptions retry`.",
    ),
    "TO9013": (
        "A connector failed",
        "A plugin's connector raised an error of its own. Its stream stopped; everything else went on.",
        "Upgrade the plugin or tell its author; the next pull goes on from where it was.",
    ),
    "TO9014": (
        "A connector broke its contract",
        "A plugin's connector handed over something that is no page, no record or no exact number. Nothing of it landed.",
        "Upgrade the plugin or tell its author; its conformance tests (`tieout.testing`) find this.",
    ),
}

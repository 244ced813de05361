"""Error codes of the configuration (TO101… to TO107…) and of the plugin host (TO9…)."""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """What `tieout explain CODE` prints."""

    title: str
    meaning: str
    action: str


CODES: Final[dict[str, Code]] = {
    "TO1010": Code(
        "Unknown company, connection or stream",
        "A name is used that is defined nowhere in the file.",
        "Use the name that is suggested, or define it.",
    ),
    "TO1011": Code(
        "No such ready-made file",
        "Neither tieout nor a plugin ships a mapping or account template of this name.",
        "Use one of the names listed, or a file of your own.",
    ),
    "TO1012": Code(
        "Not unique",
        "Two connections have one id, or two streams one name. Both are part of the identity of every event.",
        "Give the newer one its own. Never change the id of a connection that has delivered events.",
    ),
    "TO1013": Code(
        "A plugin is missing or broken",
        "The connector is not installed, not allowed, or failed to load. Only its own connection stops.",
        "Install, allow or upgrade it; `tieout plugin list` says what failed.",
    ),
    "TO1014": Code(
        "A file is missing or unreadable",
        "A file that the configuration names is not there, is empty, or is not UTF-8 text.",
        "Make it, or correct the path.",
    ),
    "TO1015": Code(
        "Columns of a CSV file",
        "The header lacks a required column or has an unknown one, or a row has more cells than the header.",
        "Correct the header; put cells that hold the separator in quotes.",
    ),
    "TO1016": Code(
        "A cell of a CSV file",
        "A required cell is empty or its value has the wrong form.",
        "Correct the cell at the line and column that are named.",
    ),
    "TO1017": Code(
        "Unknown reason code",
        "Reason codes select the row of the posting matrix and the account. This one is not in the catalogue.",
        "Use one of the canonical codes.",
    ),
    "TO1018": Code(
        "A connection in a role it does not have",
        "A source is used as ledger or the other way round, or a connection of another company is used.",
        "Name a connection that has the role and belongs to the company.",
    ),
    "TO1019": Code(
        "Unknown stream",
        "The connector does not offer a stream of this name.",
        "Use one of the streams that `tieout plugin show` lists.",
    ),
    "TO1020": Code(
        "The fiscal calendar does not fit together",
        "Week calendars need the weekday on which periods end; calendar months must not have one.",
        "Add or remove `year_end_weekday`.",
    ),
    "TO1021": Code(
        "Locked through the middle of a period",
        "The lock date is not the last day of a fiscal period, so a period would be half open.",
        "Lock through the end of a period.",
    ),
    "TO1030": Code(
        "Unknown cost method",
        "Neither tieout nor a loaded plugin has a cost method of this name.",
        "Use one of the names listed, or install the plugin that provides it.",
    ),
    "TO1031": Code(
        "LIFO outside US GAAP",
        "IAS 2 does not permit last-in first-out.",
        "Choose another method, or state `framework = us_gaap` if these books are kept under it.",
    ),
    "TO1032": Code(
        "A policy of the cost pool by channel",
        "All channels draw on the same cost pool, so its method and scope cannot depend on the channel.",
        "Set it for the company or an item category.",
    ),
    "TO1033": Code(
        "A policy is set twice for one day",
        "Two versions with the same date, category and channel set the same policy; neither could rule.",
        "Delete one, or give it a later date.",
    ),
    "TO1040": Code(
        "Unknown account role",
        "No row of the posting matrix asks for a role of this name.",
        "Use the role that is suggested.",
    ),
    "TO1041": Code(
        "Two equal rows",
        "Two rows of an account map, or two reason texts, are the same; neither could win.",
        "Delete one, or give the account row a later effective date.",
    ),
    "TO1042": Code(
        "An account finer than the cost pool",
        "A role that carries pool value varies by a key that does not divide the pool: value would enter through one "
        "account and leave through another.",
        "Vary it by item or category only; by location too where `cost_scope = location`.",
    ),
    "TO1043": Code(
        "The account is not in the chart",
        "The ledger has no account of this code, and would refuse every entry on it.",
        "Use the code that is suggested, or create the account.",
    ),
    "TO1044": Code(
        "The account does not suit the role",
        "Its type, currency or state does not fit: an income account for stock, an inactive account, a bank or system "
        "account for a role that goes out by journal.",
        "Map an account of the type that is named.",
    ),
    "TO1045": Code(
        "A clearing account shared with another role",
        "Open items of a clearing role are explained line by line at period end; beside other lines they cannot be.",
        "Give the clearing role an account of its own.",
    ),
    "TO1046": Code(
        "A role that is needed has no account",
        "The mapped event types and the policies in force post to this role. Each such event would become an exception.",
        "Add the role under the company's accounts, or to its accounts file.",
    ),
    "TO1050": Code(
        "The owner of an event type is not clear",
        "Several connections report the same event type, or the owner that is named cannot report it.",
        "Name exactly one connection for each event type and channel under `triggers`.",
    ),
    "TO1051": Code(
        "A rollout scope that is no union of cost pools",
        "A scope may not split a cost pool or overlap with another scope.",
        "Scope by category; by location only where `cost_scope = location`.",
    ),
    "TO1052": Code(
        "Go-live in a locked period",
        "Entries cannot be dated there, so the first ones would all move to the next open day.",
        "Go live on the first open day, or later.",
    ),
    "TO1060": Code(
        "A timing that is not clear",
        "A timing has both or neither of an interval and a cron line, or a jitter as long as its interval.",
        'Write `every = "5m"` or `cron = "30 6 * * mon-fri"`.',
    ),
    "TO1061": Code(
        "Objectives that contradict each other",
        "A breach would come before its warning, a score has nothing to weigh, or an outage ends before it starts.",
        "Correct the values at this place.",
    ),
    "TO1070": Code(
        "The configuration cannot be read",
        "There is no tieout.toml in this folder, or it may not be read.",
        "Go to the project folder, or run `tieout init` to start one.",
    ),
    "TO1071": Code(
        "Not TOML",
        "The text breaks the rules of TOML or of UTF-8 at this place, so nothing after it can be read.",
        "Mend the line: an open quote, a missing bracket, a key or table written twice.",
    ),
    "TO1072": Code(
        "Unknown key",
        "Nobody reads this key. A misspelt key would silently leave a default in force, so it is refused.",
        "Use the name that is suggested, or one of the keys in the reference of that table.",
    ),
    "TO1073": Code(
        "Something needed is missing",
        "A required key is absent, or what is there needs another setting to have any effect.",
        "Add the key that is named.",
    ),
    "TO1074": Code(
        "Wrong value",
        "The value has the wrong form, or is not one of the choices.",
        "Write one of the values that are named.",
    ),
    "TO1075": Code(
        "A secret is written out",
        "A password, token or key stands in the file as text. Whoever reads the file or a backup of it can use it.",
        "Put it into the environment, a file or the key store, refer to it, and change the secret at the vendor.",
    ),
    "TO1076": Code(
        "A secret or setting cannot be found",
        "The reference is right in form, and there is nothing where it points.",
        "Set the environment variable, make the file, or store the entry.",
    ),
    "TO9002": Code(
        "A plugin failed to import",
        "Its code raised an error while it was loaded; the place in its own code is shown.",
        "Install what it misses, upgrade it, or uninstall it.",
    ),
    "TO9003": Code(
        "A plugin is made for another plugin API",
        "It asks for a version of the plugin API that this tieout does not offer.",
        "Upgrade tieout if the plugin is newer, else upgrade the plugin.",
    ),
    "TO9004": Code(
        "Two connectors of one name",
        "Two installed distributions provide a connector of the same name. Neither is used: which one would win must "
        "not be left to chance.",
        "Uninstall one, or allow only one by its distribution's name under `plugins`.",
    ),
    "TO9005": Code(
        "The connector is not installed",
        "No loaded plugin provides a connector of this name.",
        "Install the distribution that provides it.",
    ),
    "TO9006": Code(
        "The plugin is not allowed",
        "It is installed, and the project's list of allowed plugins does not name it, so it was not even imported.",
        "Add it to `plugins` under [project] if you trust it.",
    ),
    "TO9007": Code(
        "A plugin breaks its contract",
        "It implements an unknown hook, a hook with other arguments, or a connector without what its roles need.",
        "Upgrade it, or tell its author.",
    ),
    "TO9010": Code(
        "A plugin failed in a hook",
        "One plugin raised an error when it was asked. The other plugins were asked all the same.",
        "Upgrade or uninstall the plugin that is named.",
    ),
}

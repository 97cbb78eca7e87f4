"""Stored trials: listed, compared, told apart."""

RECORDS = {
    "trial_views": (
        "One row a time that a view of the trials' table was saved or dropped; the last of a name holds.",
        {
            "key": ("VARCHAR", "Of this change."),
            "name": ("VARCHAR", "What people call the view."),
            "view": ("JSON", "Its columns, filters, order and group."),
            "dropped": ("BOOLEAN", "Whether it is no longer offered."),
        },
    )
}

"""Rules about Terraform provisioning."""

from __future__ import annotations

from codemods.engine.model import Rule
from codemods.rules.terraform import (
    no_appended_duplicate_cron,
    no_delete_untagged_gc,
    no_live_gc,
    no_orphan_provisioning,
    require_data_directory,
    require_disk_for_storage,
    require_port_comment,
    require_staggered_gc,
)

RULES: tuple[Rule, ...] = (
    no_delete_untagged_gc.check,
    no_live_gc.check,
    require_staggered_gc.check,
    require_data_directory.check,
    require_port_comment.check,
    require_disk_for_storage.check,
    no_orphan_provisioning.check,
    no_appended_duplicate_cron.check,
)

"""Rules about the comments that suppress findings of other rules."""

from __future__ import annotations

from codemods.rules.suppression import no_expired, no_unknown, no_unused, require_reason

RULES = (require_reason.check, no_unused.check, no_expired.check, no_unknown.check)

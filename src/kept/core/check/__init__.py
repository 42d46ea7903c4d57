"""Everything that is wrong with a brand whose form is right: references, types, honesty, reach."""

from kept.core.check.folder import check_brand, check_folder, errors_of

__all__ = ["check_brand", "check_folder", "errors_of"]

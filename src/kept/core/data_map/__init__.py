"""Which data a brand holds, whence, for what, on which basis, who is given it and until when.

All of it is derived from the brand folder: a use that stands in the map is one that a policy makes,
and a policy cannot make one that does not stand there.
"""

from kept.core.data_map.assemble import map_data
from kept.core.data_map.record import DataField, DataMap, Keep, Origin, Share, Use

__all__ = ["DataField", "DataMap", "Keep", "Origin", "Share", "Use", "map_data"]

"""What an agent may use besides its model: see `symphony.tools.calling` for the rules."""

from symphony.tools.calling import NAMES as NAMES
from symphony.tools.calling import generate_with_tools as generate_with_tools
from symphony.tools.sandbox import ToolFailed as ToolFailed
from symphony.tools.sandbox import run_tool as run_tool

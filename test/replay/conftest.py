"""Lets the tests import the golden clips' modules, which `update.py` runs as scripts."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).parent))

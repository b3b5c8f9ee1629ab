"""The way to the module of troubled teachers, for tests and for the processes they start."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).parent))

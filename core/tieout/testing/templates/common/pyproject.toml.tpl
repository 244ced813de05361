[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "tieout-$name"
version = "0.1.0"
description = "tieout $role connector for $title"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["tieout"]

[project.entry-points."tieout.connectors"]
$name = "$module"

[tool.hatch.build.targets.wheel]
packages = ["$module"]

[tool.pytest.ini_options]
pythonpath = [".", "tests"]
testpaths = ["tests"]

# `make help` lists what can be made. Nothing needs to be installed or sourced before.

# Left out, the first of python3, python3.13, 3.12, 3.11 that fits.
PYTHON ?=
OUT ?= out

# jazzy or kilted. A sourced ROS exports its own ROS_DISTRO: followed where there are wheels for it.
DISTROS := jazzy kilted
ifneq ($(origin ROS_DISTRO),command line)
  override ROS_DISTRO := $(firstword $(filter $(DISTROS),$(ROS_DISTRO)) jazzy)
endif
ifeq ($(filter $(DISTROS),$(ROS_DISTRO)),)
  $(error ROS_DISTRO=$(ROS_DISTRO): there are wheels for $(DISTROS))
endif
export ROS_DISTRO

VENV := $(CURDIR)/$(if $(filter jazzy,$(ROS_DISTRO)),.venv,.venv-$(ROS_DISTRO))
PY := $(VENV)/bin/python

# A ROS sourced in this shell, or another environment, would mix its libraries with the wheels'.
ifneq ($(AMENT_PREFIX_PATH),)
  unexport LD_LIBRARY_PATH
endif
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
export RMW_IMPLEMENTATION := rmw_fastrtps_cpp
export PIP_DISABLE_PIP_VERSION_CHECK := 1

REQUIREMENTS := $(addprefix requirements/,$(ROS_DISTRO).txt build.txt base.txt runtimes.txt train.txt ray.txt dev.txt)
# What those ask for in turn; `make lock` writes it.
LOCKED := requirements/locked-$(ROS_DISTRO).txt requirements/locked.txt
KEY := $(shell cat requirements/*.txt | cksum | cut -d' ' -f1)
# One environment per set of pins: a changed pin changes the name, and pip runs again.
ENV_STAMP := $(VENV)/.installed-$(KEY)

# pip shows its progress to a person, and only its errors to a log.
PIP_INSTALL := $(PY) -m pip install $$(test -t 1 || echo --quiet)

DEMO_ARGS := $(if $(BAG),--bag "$(BAG)") $(if $(VIDEO),--video "$(VIDEO)") \
  $(if $(SEQUENCE),--sequence "$(SEQUENCE)") $(if $(MODEL),--model "$(MODEL)") \
  $(if $(filter undefined,$(origin TEACHER)),,--teacher "$(TEACHER)") \
  $(if $(TOPIC),--topic "$(TOPIC)") $(if $(FPS),--fps "$(FPS)") \
  $(if $(RATE),--rate "$(RATE)")

.DEFAULT_GOAL := help
.PHONY: help demo env interfaces test test-slow lint format types lock rivals clean clean-env

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo '  make demo takes BAG=rosbag2 | VIDEO=file | SEQUENCE=mot_folder or folder of images,'
	@echo '  MODEL=models/name, TEACHER=models/name or nothing, TOPIC=/topic of a bag that holds several,'
	@echo '  FPS=rate of a folder of images, RATE=speed, OUT=folder, ARGS="--no-video ...";'
	@echo '  every target takes ROS_DISTRO=jazzy|kilted, PYTHON=python3.x'

demo: env  ## play a recording through the node over DDS; results go to out/
	@$(PY) -m mot_compress_ros.ros.demo $(DEMO_ARGS) --output "$(OUT)" $(ARGS)

env: interfaces  ## make .venv: pinned packages and the message packages

interfaces: $(ENV_STAMP)  ## build vision_msgs and autoware_perception_msgs into .venv
	@$(PY) interfaces/build.py

$(VENV)/bin/pip:
	@python=$$(tools/preflight.sh $(PYTHON)) || exit 1; \
	echo "Making $(VENV) with $$python"; $$python -m venv $(VENV)

$(ENV_STAMP): | $(VENV)/bin/pip
	@tools/preflight.sh $(PY) >/dev/null
	@echo 'Installing the pinned packages, once; this takes some minutes'
	@$(PIP_INSTALL) $(addprefix -r ,$(REQUIREMENTS)) $(addprefix -c ,$(LOCKED))
	@$(PIP_INSTALL) --no-deps -r requirements/no-deps.txt
	@echo '$(CURDIR)' > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mot_compress_ros.pth"
	@rm -f $(VENV)/.installed-*
	@touch $@

test: lint types  ## the gate: format, lint, types, import rules, tests
	@$(PY) -m pytest -q -m 'not slow'

test-slow: env  ## the tests that take minutes
	@$(PY) -m pytest -q -m slow

lint: env  ## check format and style
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .

types: env  ## check types
	@$(PY) -m mypy

format: env  ## format and mend what can be mended
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: | $(VENV)/bin/pip  ## after a pin has changed: write requirements/locked*.txt anew
	@$(PIP_INSTALL) $(addprefix -r ,$(REQUIREMENTS))
	@$(PY) tools/lock.py $(ROS_DISTRO)

rivals: env  ## trackers of others, for `benchmark association`
	@$(PIP_INSTALL) --no-deps -r requirements/rivals.txt

clean:  ## remove results and caches
	rm -rf out build install log dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf mot_compress_ros.egg-info
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

clean-env:  ## remove the environment
	rm -rf "$(VENV)"

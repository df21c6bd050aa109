# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make chain ARCH=armel   set this machine up, then build the default chain for ARCH
#   make test               set this machine up, then check types, style and dead code, and run the tests
#   make test-slow          the tests that take minutes
#   make fuzz               texts nobody should write, EXAMPLES of them for each parser
#   make bench              the benchmarks
#   make deb                the Debian package, built in a clean root, installed in another
#   make site               the documentation as web pages, in build/site

ARCH ?= armel
PYTHON ?= /usr/bin/python3
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
VENV := .venv

# What debxcross needs beyond a minimal Debian, and what for.
PREREQUISITES := \
	apt-utils arch-test binfmt-support ca-certificates debian-archive-keyring dpkg-dev fakeroot \
	dh-python git gpg gpg-agent gpgv iproute2 mmdebstrap qemu-user-static uidmap util-linux patch \
	python3-apt python3-click python3-debian python3-jinja2 python3-packaging python3-pip \
	python3-pyelftools python3-resolvelib python3-rich python3-seccomp python3-setuptools python3-sh \
	python3-urllib3 python3-venv python3-wheel zstd
# Only tests want these.
TEST_PREREQUISITES := busybox-static dosfstools strace lintian gcc libc6-dev reprepro sqv zsh
# Only slow ones: a machine that builds with a sysroot and its own compiler, another shell, the site.
SLOW_TEST_PREREQUISITES := fish g++-arm-linux-gnueabi man-db pkg-config $(SITE_PREREQUISITES)

# Only 'make deb' and 'make site' want these.
DEB_PREREQUISITES := git mmdebstrap
SITE_PREREQUISITES := furo python3-myst-parser python3-sphinx

TEST_TOOLS := pytest pytest-xdist mypy flake8 vulture hypothesis
# How many texts each parser gets; 20000 take about an hour.
EXAMPLES ?= 20000
# In and for which release 'make deb' builds, and from where: what mmdebstrap(1) takes as MIRROR.
DEB_SUITE ?= bookworm
DEB_MIRROR ?=

.PHONY: chain test test-slow fuzz check bench deb site prerequisites test-prerequisites emulation subordinate-ids \
	clean

chain: $(VENV)/bin/debxcross emulation subordinate-ids
	$(VENV)/bin/debxcross build-dep-chain $(ARCH)

# Types, style and dead code first: they are quick.  pytest comes last, so its summary ends the run.
test: $(VENV)/.tested test-prerequisites emulation subordinate-ids
	$(VENV)/bin/python -m mypy
	$(VENV)/bin/python -m flake8
	$(VENV)/bin/python -m vulture
	$(VENV)/bin/python -m pytest -m "not slow" --numprocesses=logical --dist=loadfile

test-slow: $(VENV)/.tested test-prerequisites emulation subordinate-ids
	@$(MAKE) --no-print-directory _install PACKAGES="$(SLOW_TEST_PREREQUISITES)"
	$(VENV)/bin/python -m pytest -m slow

fuzz: $(VENV)/.tested
	DEBXCROSS_FUZZ=$(EXAMPLES) $(VENV)/bin/python -m pytest tests/unit/test_fuzz_parsers.py

bench: $(VENV)/bin/debxcross emulation subordinate-ids
	$(VENV)/bin/python benchmarks/overhead.py

deb: subordinate-ids
	@$(MAKE) --no-print-directory _install PACKAGES="$(DEB_PREREQUISITES)"
	.ci/deb "$(DEB_SUITE)" build/deb-$(DEB_SUITE) "$(DEB_MIRROR)"

# With the system's Python: Sphinx and its theme are Debian's.
site: prerequisites
	@$(MAKE) --no-print-directory _install PACKAGES="$(SITE_PREREQUISITES)"
	$(PYTHON) -m manual site-source build/site-source
	PYTHONPATH=. $(PYTHON) -m sphinx -W --keep-going -q -b html -c manual build/site-source build/site
	@echo "Open build/site/docs/index.html"

# An environment over the system's Python, so that python-apt (not on PyPI) is there.
$(VENV)/bin/debxcross: setup.cfg pyproject.toml | prerequisites
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.tested: $(VENV)/bin/debxcross Makefile
	$(VENV)/bin/python -m pip install --quiet --upgrade $(TEST_TOOLS)
	touch $@

prerequisites:
	@$(MAKE) --no-print-directory _install PACKAGES="$(PREREQUISITES)"

test-prerequisites:
	@$(MAKE) --no-print-directory _install PACKAGES="$(TEST_PREREQUISITES)"

_install:
	@missing=; for package in $(PACKAGES); do \
	  [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "Installing:$$missing"; \
	  $(SUDO) apt-get -qq update && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $$missing; \
	fi

# systemd registers the emulators by itself; without it (containers, small machines) we do.
emulation: | prerequisites
	@[ -e /proc/sys/fs/binfmt_misc/register ] || \
	  $(SUDO) mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || \
	  echo "No emulation here: the trial will not run. 'debxcross doctor' says more." >&2
	@[ -e /proc/sys/fs/binfmt_misc/qemu-arm ] || $(SUDO) update-binfmts --enable >/dev/null 2>&1 || :

# The users of build roots have ids of their own (subuid(5)), for root as for anybody else.
subordinate-ids: | prerequisites
	@user=$$(id -un); \
	if ! getsubids "$$user" >/dev/null 2>&1 || ! getsubids -g "$$user" >/dev/null 2>&1; then \
	  first=$$(cat /etc/subuid /etc/subgid 2>/dev/null | \
	    awk -F: 'BEGIN { end = 100000 } $$2 + $$3 > end { end = $$2 + $$3 } END { print end }'); \
	  ids=$$first-$$((first + 65535)); \
	  echo "Giving the ids $$ids to the build roots of $$user"; \
	  $(SUDO) usermod --add-subuids $$ids --add-subgids $$ids "$$user"; \
	fi

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache

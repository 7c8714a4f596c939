# Every target is one command of stack/, which needs nothing but Python 3.11 or newer.
PYTHON ?= python3
COMMANDS := up down key backup restore clean status alerts alert-test drill logs ask cost-audit bill pictures load load-ui report compare clients export tunnel replay gpu-check bench evidence help test test-compose check fmt lock upgrade-check

.DEFAULT_GOAL := help
.PHONY: $(COMMANDS)

$(COMMANDS):
	@$(PYTHON) -m stack $@

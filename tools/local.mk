# tools/ - what runs at build time, in tests or by hand; nothing of it is installed.
# SPDX-License-Identifier: MIT
EXTRA_DIST += \
	%D%/c-lines.awk \
	%D%/check-layers.awk \
	%D%/check-links.awk \
	%D%/check-variants \
	%D%/check-order.awk \
	%D%/declared.awk \
	%D%/genopt.awk \
	%D%/json-workload.py

# man/ - the manual.
# SPDX-License-Identifier: MIT

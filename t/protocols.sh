# t/protocols.sh - the models of the protocols between threads hold, in small sizes; `make check-model` does the rest.
# SPDX-License-Identifier: MIT
exec "$top_srcdir/tools/check-model" quick

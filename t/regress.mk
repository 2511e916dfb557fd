# t/regress.mk - faults that the library once had.
# SPDX-License-Identifier: MIT
check_PROGRAMS += %D%/regress.t
TESTS += %D%/regress.t
%C%_regress_t_SOURCES = %D%/regress.c %D%/tap.h %D%/blackbox.h

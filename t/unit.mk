# t/unit.mk - one test program for each module of src/.
# SPDX-License-Identifier: MIT

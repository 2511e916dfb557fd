# bench/programs/problem.py - writes an SMT-LIB problem: jobs on machines, arrays and bit vectors, in several checks.
# SPDX-License-Identifier: MIT
import random
import sys


def scheduling(rng, jobs):
    print("(push)")
    for job in range(jobs):
        print("(declare-const t%d Int)\n(assert (and (>= t%d 0) (<= t%d %d)))" % (job, job, job, jobs * 4))
    for a in range(jobs):
        for b in range(a + 1, jobs):
            if (a * 7 + b) % 3 == 0:
                print("(assert (or (>= t%d (+ t%d %d)) (>= t%d (+ t%d %d))))"
                      % (a, b, rng.randrange(1, 6), b, a, rng.randrange(1, 6)))
    print("(check-sat)\n(pop)")


def factors(bits, product):
    print("(push)\n(declare-const p (_ BitVec %d))\n(declare-const q (_ BitVec %d))" % (bits, bits))
    print("(assert (= (bvmul p q) (_ bv%d %d)))" % (product, bits))
    half = bits // 2
    for name in "pq":
        print("(assert (bvult %s (_ bv%d %d)))\n(assert (bvugt %s (_ bv1 %d)))" % (name, 1 << half, bits, name, bits))
    print("(assert (bvule p q))\n(check-sat)\n(pop)")


def arrays(rng, writes):
    print("(push)\n(declare-const m (Array Int Int))")
    previous = "m"
    for n in range(writes):
        print("(declare-const i%d Int)\n(declare-const m%d (Array Int Int))" % (n, n))
        print("(assert (= m%d (store %s i%d %d)))" % (n, previous, n, rng.randrange(50)))
        previous = "m%d" % n
    for n in range(writes - 1):
        print("(assert (not (= i%d i%d)))" % (n, n + 1))
        print("(assert (> (select %s i%d) (select m i%d)))" % (previous, n, (n * 5) % writes))
    print("(check-sat)\n(pop)")


def main():
    scale = int(sys.argv[1])
    rng = random.Random(4)
    for _ in range(max(1, 2 * scale // 100)):
        scheduling(rng, 110)
    arrays(rng, 20)
    for product in (9999991, 9999989, 8633447)[:max(1, 3 * scale // 100)]:
        factors(24, product)


main()

# bench/programs/objects-work.py - many small objects that point at each other: a simulation of accounts and orders.
# SPDX-License-Identifier: MIT
import random
import sys


class Order:
    def __init__(self, account, amount, text):
        self.account = account
        self.amount = amount
        self.text = text
        self.parts = [amount // 3, amount - amount // 3]


class Account:
    def __init__(self, number):
        self.number = number
        self.orders = []
        self.history = {}
        self.peer = None

    def order(self, amount):
        text = "order %d of account %d" % (len(self.orders), self.number)
        self.orders.append(Order(self, amount, text))
        self.history[text] = (amount, self.peer.number if self.peer else None)

    def settle(self):
        total = sum(sum(order.parts) for order in self.orders)
        self.orders = [order for order in self.orders if order.amount % 5 == 0]
        if len(self.history) > 40:
            self.history = dict(list(self.history.items())[20:])
        return total


def main():
    rounds = max(1, 12 * int(sys.argv[1]) // 100)
    rng = random.Random(2)
    accounts = [Account(number) for number in range(6000)]
    total = 0
    for _ in range(rounds):
        for account in accounts:
            account.peer = accounts[rng.randrange(len(accounts))]
            account.order(rng.randrange(10 ** 9))
            account.order(rng.randrange(10 ** 6))
        total += sum(account.settle() for account in accounts)
        for _ in range(300):
            accounts[rng.randrange(len(accounts))] = Account(rng.randrange(10 ** 6))
    print(total)


main()

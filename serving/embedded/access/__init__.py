"""Who may reach the server and what they may do: the address it listens on, TLS, tokens with rights, browsers' guards.

Everything here decides; the fronts ask, and say no in the words of their transport.
"""

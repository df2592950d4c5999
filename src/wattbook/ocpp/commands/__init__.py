"""What stations are asked to do, as rows: how a command is asked for (`submission`; in neutral words `orders`), kept
(`records`, `store`), and told of when its outcome is known (`outcomes`, `webhooks`). The `gateway` sends them.
"""

"""The management system's end, put together, and what lives in the process that holds sockets.

Who comes in (`admission`, `onboarding`, `limits`), who is there and how it is treated (`attendance`, `options`,
`candidates`), what becomes of what stations say (`inbox`), and how commands reach them (`delivery`, `carrying`,
`answers`).
"""

"""OCPI 2.2.1 as a carrier: its words, tokens, headers and addresses. What a message means is decided above."""

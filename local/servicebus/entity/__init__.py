"""Queues, locks and sessions: the broker's rules without any AMQP."""

"""Local Service Bus: an AMQP 1.0 broker in memory that the unmodified Azure SDK talks to."""

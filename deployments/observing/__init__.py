"""What replicas tell of themselves: metrics, spans, lines of logs."""

"""The machines: start them, watch them, plan them. Nothing above imports this."""

"""`/mcp`: the corpus for agents, by the Model Context Protocol over streamable HTTP."""

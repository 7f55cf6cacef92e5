"""How near our OpenAPI description is to OpenAI's own."""

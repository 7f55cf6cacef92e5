"""Reads a whole answer of a generator."""


async def write(generator, asked):
    """Gives the ids, the text and the chunks."""
    chunks = [chunk async for chunk in generator.stream(asked)]
    ids = [token for chunk in chunks for token in chunk.token_ids]
    return ids, "".join(chunk.text for chunk in chunks), chunks
